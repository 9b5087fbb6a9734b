"""Partitions as they come: none, empty ones, one row, nothing but nulls, a text of 10 MB."""

import itertools

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_udf

LONG_TEXT = 10_000_000
MANY_ROWS = 10_000_000


@pytest.fixture(scope="module")
def odd_rows(flights):
    """A hundred flights: one alone, ten of nulls, ten without a text, one with a very long one."""
    rows = flights.head(100).copy()
    used = [name for name in rows if name not in ("flight_id", "time_hour")]
    texts = [name for name in used if pd.api.types.is_object_dtype(rows[name])]
    assert len(texts) == 4
    rows[used] = rows[used].astype({name: "float64" for name in used if name not in texts})
    rows.loc[1:10, used] = None
    rows.loc[11:20, texts] = None
    rows.loc[50, "tailnum"] = "é" * (LONG_TEXT // 2)
    return rows


@pytest.fixture(scope="module")
def odd_frame(spark, odd_rows):
    """The same, cut into partitions at these rows, and two empty partitions."""
    missing = odd_rows.astype(object).where(odd_rows.notna(), None)
    kinds = [
        "string" if pd.api.types.is_object_dtype(dtype) else "double" for dtype in odd_rows.dtypes
    ]
    kinds[0] = "bigint"
    schema = ", ".join(f"{name} {kind}" for name, kind in zip(odd_rows, kinds, strict=True))
    cuts = [0, 1, 11, 21, 21, 100, 100]
    parts = [missing[start:end].values.tolist() for start, end in itertools.pairwise(cuts)]
    cut = spark.sparkContext.parallelize(parts, len(parts)).flatMap(lambda rows: rows)
    frame = spark.createDataFrame(cut, schema)
    n_rows = frame.rdd.glom().map(len).collect()
    assert n_rows == [1, 10, 10, 0, 79, 0]
    return frame


@pytest.mark.parametrize("batch_rows", [None, 7])
def test_each_has_its_own_scores(odd_rows, odd_frame, export, own_scores, with_scorer, batch_rows):
    """What other rows a batch has, and whether any of its texts is there, changes nothing."""
    words = {} if batch_rows is None else {"batch_rows": batch_rows}
    scored = score_dataframe(odd_frame, export(), **with_scorer, keep=["flight_id"], **words)
    found = scored.select("flight_id", "prediction.*").toPandas()
    own = own_scores(export(), odd_rows)
    assert found["flight_id"].tolist() == odd_rows["flight_id"].tolist()
    np.testing.assert_array_equal(found[own.columns].to_numpy(), own.to_numpy())
    function = score_udf(export(), **with_scorer, **words)
    found = odd_frame.select("flight_id", function(F.struct("*")).alias("prediction"))
    found = found.select("flight_id", "prediction.*").toPandas()
    np.testing.assert_array_equal(found[own.columns].to_numpy(), own.to_numpy())


def test_a_table_without_rows_has_the_predictions_columns(odd_frame, export, with_scorer):
    """No partition, no task, no row, and the schema all the same."""
    none = odd_frame.where("flight_id < 0")
    scored = score_dataframe(none, export(), **with_scorer, keep=["flight_id"])
    assert scored.select("prediction.*").columns == ["late.no", "late.yes"]
    pd.testing.assert_frame_equal(scored.toPandas(), scored.limit(0).toPandas())
    assert scored.count() == 0


@pytest.mark.long
def test_one_partition_of_ten_million_rows(spark, flights, flights_frame, export, with_scorer):
    """Each row has the score that it has in any other cut of the table: none lost, none moved."""
    n_flights = len(flights)
    times = -(-MANY_ROWS // n_flights)
    repeated = spark.range(times).crossJoin(flights_frame).drop("id")
    once = score_dataframe(flights_frame, export(), **with_scorer, keep=["flight_id"])
    once = once.select("flight_id", F.xxhash64("prediction").alias("own")).cache()
    partition = repeated.coalesce(1)
    assert partition.rdd.getNumPartitions() == 1
    scored = score_dataframe(partition, export(), **with_scorer, keep=["flight_id"])
    scored = scored.select("flight_id", F.xxhash64("prediction").alias("found"))
    counted = scored.join(F.broadcast(once), "flight_id").agg(
        F.count("*").alias("n_rows"),
        F.count_if(F.col("found") != F.col("own")).alias("n_other"),
        F.countDistinct("flight_id").alias("n_flights"),
    )
    assert counted.first().asDict() == {
        "n_rows": times * n_flights,
        "n_other": 0,
        "n_flights": n_flights,
    }
