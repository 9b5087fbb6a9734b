"""Names and values of columns through Spark: whatever a table calls them, and what does not fit."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_udf
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.errors import ColumnError
from dai_spark.testing import build_export

NAMES = (
    "a.b",
    "c d",
    "e, f",
    'g"h',
    "i\\j",
    "k`l",
    "m'n",
    "🛫 é",
    "x" * 300,
    "prediction",
    "SELECT",
    "Case",
)


@pytest.fixture(scope="module")
def odd_table():
    """2,000 rows of numbers and texts under odd names, and a target that follows from them."""
    random = np.random.default_rng(1)
    columns = {}
    for number, name in enumerate(NAMES):
        values = random.normal(size=2000)
        columns[name] = values if number % 3 else pd.Series(values > 0).map({True: "y", False: "n"})
    table = pd.DataFrame(columns)
    table["won"] = np.where(table["c d"] + table["e, f"] > 0, "yes", "no")
    table.insert(0, "id", range(len(table)))
    return table


@pytest.fixture(scope="module")
def odd_export(odd_table, pipeline_python, tmp_path_factory):
    """A pipeline that was trained on them."""
    path = tmp_path_factory.mktemp("odd") / "scorer.zip"
    return build_export(
        path,
        odd_table.drop(columns="id"),
        "won",
        kind="binomial",
        python=pipeline_python,
        n_trees=20,
    )


def test_names_may_be_anything(spark, odd_table, odd_export, own_scores, with_scorer):
    """Dots, quotes, backticks, emoji, 300 characters, SQL words: each reaches its own column."""
    own = own_scores(odd_export, odd_table.drop(columns="won"))
    frame = spark.createDataFrame(odd_table.drop(columns="won")).withColumn("other", F.lit(1))
    frame = frame.select(
        *reversed([F.col("`" + c.replace("`", "``") + "`") for c in frame.columns])
    )
    scored = score_dataframe(frame, odd_export, **with_scorer, keep=["id"], prediction="score")
    found = scored.orderBy("id").select("score.*").toPandas()
    assert_frame_equal(found, own, check_exact=True)
    for kind in ("arrow", "pandas"):
        score = score_udf(odd_export, **with_scorer, spark=spark, udf_type=kind)
        assert set(score.column_names) <= set(NAMES)
        found = frame.select("id", score().alias("score")).orderBy("id").select("score.*")
        assert_frame_equal(found.toPandas(), own, check_exact=True)
    with pytest.raises(ColumnError, match="has a column 'prediction' itself"):
        score_dataframe(frame, odd_export, **with_scorer)


def test_names_that_differ_in_case_only(spark, odd_table, odd_export, own_scores, with_scorer):
    """Told apart where Spark tells them apart; where it does not, refused with what to set."""
    own = own_scores(odd_export, odd_table.drop(columns="won"))
    table = odd_table.drop(columns="won").assign(case="another")
    frame = spark.createDataFrame(table)
    with pytest.raises(ColumnError, match=r"Case and case; set spark.sql.caseSensitive"):
        score_dataframe(frame, odd_export, **with_scorer, keep=["id"])
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        scored = score_dataframe(frame, odd_export, **with_scorer, keep=["id"])
        found = scored.orderBy("id").select("prediction.*").toPandas()
    finally:
        spark.conf.unset("spark.sql.caseSensitive")
    assert_frame_equal(found, own, check_exact=True)


def test_values_that_do_not_fit_are_counted(spark, export, flights, own_scores, with_scorer):
    """on_cast: text is read as numbers, what is none is missing, and the sum of tasks tells."""
    rows = flights.head(500).copy()
    text = rows["distance"].astype(object).map(lambda value: f" {value} ")
    text[::50] = "far"
    text[1::50] = "NA"
    frame = spark.createDataFrame(rows.assign(distance=text)).repartition(3)
    said, metrics = [], MetricsSum(spark)
    words = {**with_scorer, "keep": ["flight_id"], "on_message": said.append, "metrics": metrics}
    with pytest.raises(ColumnError, match=r"distance \(the pipeline wants a number, found text"):
        score_dataframe(frame, export(), **words)
    scored = score_dataframe(frame, export(), **words, on_cast="null")
    assert "columns of text are read as numbers: distance" in said
    # Not sorted by Spark, which scores once more to find out where to cut.
    found = scored.select("flight_id", "prediction.*").toPandas().sort_values("flight_id")
    found = found.drop(columns="flight_id").reset_index(drop=True)
    pandas = rows["distance"].astype("float64")
    pandas[::50] = np.nan
    pandas[1::50] = np.nan
    own = own_scores(export(), rows.assign(distance=pandas))
    assert_frame_equal(found, own, check_exact=True)
    assert metrics.metrics().n_misfits == 10
