"""Settings of a running session that change how Spark reaches Python: the scores stay the same.

What a session must be started with is in the matrix: docs/matrix.md.
"""

from contextlib import contextmanager

import pytest
from chispa import assert_df_equality

from dai_spark import score_dataframe, score_udf
from dai_spark.plan.spark_versions import has_arrow_udfs

# The value that other tests' session has not; then its own, which stands for itself in all of them.
SETTINGS = {
    "spark.sql.execution.arrow.pyspark.enabled": ("false", "true"),
    "spark.sql.execution.arrow.useLargeVarTypes": ("true", "false"),
    "spark.sql.ansi.enabled": ("false", "true"),
    "spark.sql.adaptive.enabled": ("false", "true"),
}
VALUES = [
    pytest.param(name, value, marks=[pytest.mark.long] * is_own, id=f"{name}={value}")
    for name, both in SETTINGS.items()
    for is_own, value in enumerate(both)
]


@contextmanager
def session_with(spark, name, value):
    """The session with another value of a setting, which it then has as before."""
    before = spark.conf.get(name, None)
    spark.conf.set(name, value)
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(name)
        else:
            spark.conf.set(name, before)


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_scores_are_the_same_under_a_setting(
    spark, export, with_scorer, flights_frame, expected, name, value
):
    """Bit for bit, as pandas and as Arrow UDF and as a DataFrame, with columns of text."""
    assert expected.count() > 10_000
    kinds = ["pandas", *(["arrow"] if has_arrow_udfs(spark) else [])]
    with session_with(spark, name, value):
        assert spark.conf.get(name) == value
        scored = [
            flights_frame.withColumn(
                "prediction", score_udf(export(), udf_type=kind, spark=spark, **with_scorer)()
            )
            for kind in kinds
        ]
        scored.append(score_dataframe(flights_frame, export(), keep=["flight_id"], **with_scorer))
        for frame in scored:
            found = frame.select("flight_id", "prediction")
            assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)
