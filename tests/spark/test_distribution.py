"""Distributions that Spark measures while rows pass, against numpy on the same rows."""

import numpy as np
import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F
from pyspark.sql import types as t

from dai_spark import ScoringPipeline
from dai_spark.drift.distribution import Distribution
from dai_spark.drift.stability_index import LEAST_ROWS, psi
from dai_spark.driver.prepare import prepare
from dai_spark.plan.request import ScoringRequest
from dai_spark.table_job.report.example_rows import example_distributions, example_rows
from dai_spark.table_job.report.observed_distributions import (
    MAX_FIELDS,
    observe,
    observed_expressions,
    read,
)

N_ROWS = 20_000
# Of the quantiles' ranks: what is asked of Spark, and one value more where tasks are merged.
RANK_ERROR = 0.003


def measured(frame, parent="prediction", **words):
    """What is observed of a frame while it is written to nowhere."""
    observation = Observation("test")
    observed = observe(frame, observation, parent, **words)
    assert observed.schema == frame.schema
    observed.write.format("noop").mode("overwrite").save()
    return read(observation.get)


def frame_of(spark, types, rows, n_partitions=4):
    """A frame of one struct column."""
    prediction = t.StructType([t.StructField(name, kind) for name, kind in types.items()])
    schema = t.StructType([t.StructField("prediction", prediction)])
    return spark.createDataFrame([(row,) for row in rows], schema).repartition(n_partitions)


@pytest.fixture(scope="module")
def scores():
    """Columns of one name each: probabilities, a long tail, few values, whole numbers."""
    random = np.random.default_rng(5)
    return {
        "late.yes": random.beta(0.3, 4, N_ROWS).astype("float32"),
        "a `delay`, [min]": random.lognormal(3, 1.5, N_ROWS) - 10,
        "leaf": random.choice([0.1, 0.25, 0.7], N_ROWS, p=[0.2, 0.5, 0.3]),
        "whole": random.integers(-5, 1000, N_ROWS),
    }


@pytest.fixture(scope="module")
def scored(spark, scores):
    """The same as a frame, three per mille of the rows without a prediction."""
    types = dict(zip(scores, (t.FloatType(), t.DoubleType(), t.DoubleType(), t.LongType())))
    columns = [values.tolist() for values in scores.values()]
    rows = [None if i % 1000 < 3 else row for i, row in enumerate(zip(*columns))]
    return frame_of(spark, types, rows).cache()


def test_it_is_what_numpy_finds(scored, scores):
    """Counts, lowest and highest exactly, mean to its digits, quantiles to a rank of 0.3 %."""
    found = measured(scored)
    assert list(found) == list(scores)
    there = np.arange(N_ROWS) % 1000 >= 3
    for name, values in scores.items():
        values = np.sort(values[there].astype("float64"))
        one = found[name]
        assert (one.n, one.n_null) == (len(values), N_ROWS - len(values))
        assert (one.n_nan, one.n_infinite, one.n_rows) == (0, 0, N_ROWS)
        assert (one.minimum, one.maximum) == (values[0], values[-1])
        assert one.mean == pytest.approx(values.mean())
        assert set(one.values) <= set(values)
        lowest = np.searchsorted(values, one.values, side="left") / len(values)
        highest = np.searchsorted(values, one.values, side="right") / len(values)
        assert np.all(lowest - RANK_ERROR <= one.shares)
        assert np.all(one.shares <= highest + RANK_ERROR)


def test_it_compares_with_one_that_was_measured_in_memory(scored, scores):
    """The same rows have not moved, whoever measured; other rows have."""
    found = measured(scored)
    for name, values in scores.items():
        there = [None if i % 1000 < 3 else float(v) for i, v in enumerate(values)]
        assert psi(Distribution.of(there), found[name]) < 0.001
        assert psi(Distribution.of(values * 1.5 + 0.1), found[name]) > 0.05


def test_what_is_no_number_is_counted_apart(spark):
    """Null, NaN and both infinities are told apart, and leave no trace in the figures."""
    odd = [None, float("nan"), float("nan"), float("inf"), -float("inf"), float("inf"), 0.5, -0.0]
    frame = frame_of(
        spark,
        {"f": t.FloatType(), "d": t.DoubleType()},
        [*[(value, value) for value in odd], None],
    )
    for one in measured(frame).values():
        assert (one.n, one.n_null, one.n_nan, one.n_infinite, one.n_rows) == (2, 2, 2, 3, 9)
        assert (one.minimum, one.maximum, one.mean) == (0, 0.5, 0.25)


@pytest.mark.parametrize("rows", [[], [(None,)], [(float("nan"),)], [None]])
def test_where_there_are_no_numbers_there_are_no_figures(spark, rows):
    """An empty table, and one of nothing but nulls or NaN, have a distribution all the same."""
    (one,) = measured(frame_of(spark, {"x": t.DoubleType()}, rows)).values()
    assert one == Distribution.of([row and row[0] for row in rows])
    assert (one.n, one.n_rows, one.minimum, one.values) == (0, len(rows), None, ())


def test_a_row_has_all_quantiles(spark):
    """One value is every quantile, also among empty tasks."""
    (one,) = measured(frame_of(spark, {"x": t.DoubleType()}, [(0.1,)])).values()
    assert one == Distribution.of([0.1])


def test_of_a_thousand_classes_the_first_are_measured(spark):
    """As many as said, in order, and the run is no slower for the rest."""
    types = {f"class.{i}": t.FloatType() for i in range(1000)}
    frame = spark.range(LEAST_ROWS).select(
        F.struct(*[F.col("id").cast("float").alias(name) for i, name in enumerate(types)]).alias(
            "prediction"
        )
    )
    found = measured(frame)
    assert list(found) == list(types)[:MAX_FIELDS]
    assert all(one.n == LEAST_ROWS for one in found.values())
    assert list(measured(frame, max_fields=2)) == ["class.0", "class.1"]


def test_predictions_may_be_columns_of_the_table(spark):
    """In the flat layout the same names are the table's own; text and flags are left."""
    frame = spark.range(100).select(
        F.col("id").alias("late.yes"),
        F.col("id").cast("string").alias("text"),
        (F.col("id") > 3).alias("flag"),
        (F.col("id") / 7).cast("float").alias("b`c"),
    )
    found = measured(frame, None)
    assert list(found) == ["late.yes", "b`c"]
    assert found["late.yes"].mean == 49.5


def test_other_observed_figures_are_left_alone(spark):
    """The caller may observe its own counts in the same pass; without numbers there is nothing."""
    frame = spark.range(10).select(F.struct("id").alias("prediction"))
    count = [F.count(F.lit(1)).alias("n_rows")]
    for one in (frame, spark.range(10).select(F.struct(F.lit("x")).alias("prediction"))):
        observation = Observation("both")
        observe(one, observation, others=count).collect()
        assert observation.get["n_rows"] == 10
        found = read(observation.get)
        assert [field.maximum for field in found.values()] == ([9] if one is frame else [])


def test_of_large_partitions_one_row_in_eight_says_how_they_lie(spark):
    """Counts, lowest, highest and mean are of all rows; quantiles are as good as can be seen."""
    n_rows = 100_000
    frame = spark.range(0, n_rows, 1, 2).select(
        F.struct(F.pow(F.rand(3), 3).alias("x")).alias("prediction")
    )
    one = measured(frame)["x"]
    assert (one.n, one.n_rows) == (n_rows, n_rows)
    # Rows that are staged already may be measured by an aggregation, all of them.
    of_all = frame.agg(*observed_expressions(frame.schema["prediction"].dataType)).collect()[0]
    all_rows = read(of_all.asDict())["x"]
    assert (all_rows.minimum, all_rows.maximum) == (one.minimum, one.maximum)
    assert psi(all_rows, one) < 0.005
    assert one.minimum < 1e-9
    assert one.mean == pytest.approx(0.25, abs=0.005)
    np.testing.assert_allclose(np.cbrt(one.values), one.shares, atol=0.015)
    # Where a partition is sorted, its first rows alone would mislead.
    rising = measured(spark.range(0, n_rows, 1, 1).select(F.struct("id").alias("prediction")))
    np.testing.assert_allclose(
        np.array(rising["id"].values) / n_rows, rising["id"].shares, atol=0.003
    )


def planned(spark, pipeline, with_scorer):
    """The plan of a pipeline whose files are all here."""
    words = {**with_scorer, "license": None, "options": None, "overrides": {}}
    request = ScoringRequest.of(pipeline, **words, read_uri=None, fetch=None)
    return prepare(spark, request, lambda text: None)


def test_the_exports_own_example_is_scored_and_measured(spark, export, with_scorer, own_scores):
    """Its rows' predictions are those of the pipeline itself; no example, no comparison."""
    pipeline = ScoringPipeline(export())
    plan = planned(spark, pipeline, with_scorer)
    rows = example_rows(pipeline)
    assert len(rows) == 15
    found = example_distributions(spark, pipeline, plan)
    scores = own_scores(export(), rows)
    expected = {name: Distribution.of(scores[name].tolist()) for name in scores.columns}
    assert found == expected
    assert list(found) == ["late.no", "late.yes"]
    pipeline.columns = ()
    assert example_distributions(spark, pipeline, plan) == {}


def test_an_example_that_cannot_be_scored_ends_no_job(spark, export, with_scorer):
    """An example that lacks a column is left out of the report."""
    pipeline = ScoringPipeline(export())
    plan = planned(spark, pipeline, with_scorer)
    pipeline.columns = pipeline.columns[:1]
    assert example_distributions(spark, pipeline, plan) == {}
