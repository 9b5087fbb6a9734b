"""How rows lie: what tasks find where they hold the arrays is what Spark's expressions find."""

from dataclasses import replace

import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.drift.measured_rows import WhatToMeasure
from dai_spark.drift.stability_index import psi
from dai_spark.driver.row_facts.rows_measure import RowsMeasure
from dai_spark.table_job.report.inputs import InputSample
from dai_spark.table_job.report.observed_distributions import observe, read
from dai_spark.table_job.run import measured

INPUTS = {"x": True, "s": False, "flag": False, "nan": True, "i": True}


def measured_by_tasks(frame, what, exact=()):
    """A frame whose rows are measured, and their values taken for predictions."""
    taken = WhatToMeasure(INPUTS, exact, what)
    measure = RowsMeasure(frame.sparkSession, taken)
    measuring, names = measure.measuring, frame.columns

    def body(batches):
        import pyarrow

        rows = measuring.begin()
        for batch in batches:
            batch = pyarrow.RecordBatch.from_arrays(batch.columns, names=names)
            rows.add(batch, pyarrow.StructArray.from_arrays(batch.columns, names))
            yield batch
        measuring.end(rows)

    return frame.mapInArrow(body, frame.schema), measure


def without_mean(inputs):
    """Inputs by name, their means to ten digits: a sum depends on the order of its values."""
    return {
        name: one
        if one.numbers is None or one.numbers.mean is None
        else replace(one, numbers=replace(one.numbers, mean=f"{one.numbers.mean:.10g}"))
        for name, one in inputs.items()
    }


@pytest.mark.long
def test_tasks_take_the_rows_that_spark_takes(spark):
    """Samples of inputs are the same to the row, counts and extremes exact, ranks as good."""
    rows = spark.range(0, 40_000, 1, 3).selectExpr(
        "CASE WHEN id % 4 > 0 THEN double(hash(id)) / 2147483648 END AS x",
        "IF(hash(id, 7) % 3 = 0, 'ä', repeat('b', id % 80)) AS s",
        "id % 3 = 0 AS flag",
        "IF(id % 5 = 0, double('NaN'), IF(id % 7 = 0, double('Infinity'), id)) AS nan",
        "IF(id % 11 = 0, NULL, id) AS i",
    )
    sample = InputSample(rows, list(INPUTS), exact=["x", "s"])
    observation = Observation("both")
    observed = observe(sample.frame, observation, None)
    observed.write.format("noop").mode("overwrite").save()
    inputs, spread = sample.measured(), read(observation.get)

    frame, measure = measured_by_tasks(rows, tuple(spread), exact=("x", "s"))
    # Twice, as where a plan sorts its rows by range.
    for _ in range(2):
        frame.write.format("noop").mode("overwrite").save()
    found = measure.taken()
    assert found.n_rows == 40_000
    assert without_mean(found.inputs()) == without_mean(inputs)
    distributions = found.distributions(measure.measuring.what)
    assert list(distributions) == list(spread) == ["x", "nan", "i"]
    for name, one in spread.items():
        other = distributions[name]
        for figure in ("n", "n_null", "n_nan", "n_infinite", "minimum", "maximum", "n_rows"):
            assert getattr(one, figure) == getattr(other, figure), (name, figure)
        assert other.mean == pytest.approx(one.mean, rel=1e-12)
        assert psi(one, other) < 1e-3
    assert measure.taken().n_rows == 0


def test_joined_partitions_are_added_up(spark):
    """One task of many partitions reports them one by one."""
    rows = spark.range(0, 30_000, 1, 6).selectExpr("double(id) AS x", "string(id) AS s")
    rows = rows.selectExpr("x", "s", "true AS flag", "x AS nan", "x AS i")
    frame, measure = measured_by_tasks(rows, ("x",))
    frame.coalesce(2).write.format("noop").mode("overwrite").save()
    found = measure.taken()
    one = found.distributions(measure.measuring.what)["x"]
    assert (found.n_rows, one.n, one.minimum, one.maximum) == (30_000, 30_000, 0, 29_999)
    assert (one.mean, len(found.attempts)) == (14_999.5, 2)


def test_what_no_task_scored_to_its_end_is_not_counted(spark):
    """A limit ends a task before its rows do."""
    rows = spark.range(0, 30_000, 1, 1).selectExpr("double(id) AS x", "string(id) AS s")
    rows = rows.selectExpr("x", "s", "true AS flag", "x AS nan", "x AS i")
    frame, measure = measured_by_tasks(rows, ("x",))
    assert len(frame.limit(5).collect()) == 5
    assert measure.taken().n_rows == 0


@pytest.mark.parametrize(
    "target", ["parquet:{}/target", pytest.param("delta:{}/target", marks=pytest.mark.long)]
)
def test_a_report_is_the_same_by_either_way(
    spark, export, with_scorer, flights, tmp_path, monkeypatch, target
):
    """A table of 5,000 rows by tasks, and by expressions, as over Connect."""
    flights.sample(5000, replace=True, random_state=3).to_parquet(f"{tmp_path}/flights")
    source = spark.read.parquet(f"{tmp_path}/flights").repartition(3)
    source.withColumn("distance", F.when(F.col("day") > 3, F.col("distance"))).write.parquet(
        f"{tmp_path}/source"
    )
    words = {
        "spark": spark,
        "source": f"parquet:{tmp_path}/source",
        "target": target.format(tmp_path),
        "mode": "overwrite",
        "progress": False,
        # The rows of a sample are told by their partition and their place in it.
        "read": "spark",
    }
    by_tasks = score_table(export(), **with_scorer, **words, run_id="by tasks")
    monkeypatch.setattr(measured, "is_connect", lambda spark: True)
    by_expressions = score_table(export(), **with_scorer, **words, run_id="by expressions")
    assert by_tasks.n_rows == by_expressions.n_rows == 5000
    assert list(by_tasks.inputs) == list(by_expressions.inputs)
    assert without_mean(by_tasks.inputs) == without_mean(by_expressions.inputs)
    assert list(by_tasks.distributions) == ["late.no", "late.yes"]
    for name, one in by_tasks.distributions.items():
        other = by_expressions.distributions[name]
        assert (one.n, one.n_rows, one.minimum) == (other.n, other.n_rows, other.minimum)
        assert one.maximum == other.maximum
        assert one.mean == pytest.approx(other.mean, rel=1e-12)
        assert psi(one, other) < 1e-3
