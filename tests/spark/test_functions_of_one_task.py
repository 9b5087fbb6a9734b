"""Several functions in one query: a task does not wait for a scorer that it has itself."""

import pytest
from pyspark.sql import functions as F

from dai_spark import score_udf

N_ROWS = 4000


@pytest.fixture(scope="module")
def rows(spark, flights):
    """Rows that fill the pipes between Spark and its Python workers."""
    frame = flights.head(N_ROWS).assign(text="x" * 600)
    return spark.createDataFrame(frame).repartition(3).cache()


def words(packed_environment, license_text):
    limits = {"start_timeout_s": 10, "batch_timeout_s": 10, "batch_rows": 500}
    return {"env": packed_environment, "license": license_text, "max_scorers": 1, **limits}


def predictions(rows, *columns):
    named = [column[first].alias(f"p{i}") for i, (column, first) in enumerate(columns)]
    return rows.select("*", *named).toPandas()


def test_several_functions_with_one_scorer_finish(
    spark, rows, export, packed_environment, license_text
):
    """Two of one pipeline and one of another in one select: no task waits for itself."""
    given = words(packed_environment, license_text)
    a, b = (score_udf(export(), spark=spark, **given) for _ in range(2))
    c = score_udf(export(kind="regression"), spark=spark, **given)
    found = predictions(rows, (a(), "late.no"), (b(), "late.no"), (c(), "delay"))
    assert len(found) == N_ROWS
    assert (found.p0 == found.p1).all()
    assert found.p2.notna().all()


def test_a_filter_on_a_deterministic_prediction_finishes(
    spark, rows, export, packed_environment, license_text
):
    """Spark evaluates the function twice, one evaluation on top of the other."""
    given = words(packed_environment, license_text)
    score = score_udf(export(), spark=spark, deterministic=True, **given)
    scored = rows.withColumn("p", score()).where(F.col("p")["late.no"] > 0.5)
    n_found = scored.select(F.sum("p.`late.no`"), F.count("*")).first()
    assert 0 < n_found[1] < N_ROWS
