"""isolated_dataframe: bad rows of a table set apart, the others scored as ever."""

from functools import partial

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from dai_spark import score_dataframe
from dai_spark.driver.filesystem.uris import fetch, read_bytes
from dai_spark.driver.isolated_dataframe import isolated_dataframe
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.prepare import prepare
from dai_spark.errors import BadRowsError, ColumnError, ScoringError, from_spark
from dai_spark.plan.request import ScoringRequest
from dai_spark.testing import MARKS

# Rows of each kind; a hang costs seconds, so there is one.
KINDS = {
    "raise_in_score": 5,
    "exit_in_score": 5,
    "segfault_in_score": 5,
    "nan_in_score": 4,
    "hang_in_score": 1,
}
CAUSES = {
    "raise_in_score": "The pipeline raised ValueError: stand-in: raise_in_score",
    "exit_in_score": "The scorer left with exit code 70.",
    "segfault_in_score": "The scorer was killed by signal 11 (SIGSEGV).",
    "nan_in_score": "The prediction late.no is NaN.",
    "hang_in_score": "The scorer gave no answer within 2 s.",
}


@pytest.fixture(scope="module")
def planned(spark, export, with_scorer):
    """A plan for the pipeline that has a fate for each mark: planned(**options)."""

    def make(**options):
        request = ScoringRequest.of(
            export(fate="mixed_in_score"),
            with_scorer["env"],
            None,
            with_scorer["license_file"],
            None,
            options,
            read_uri=partial(read_bytes, spark),
            fetch=partial(fetch, spark, on_message=lambda text: None),
        )
        return prepare(spark, request, lambda text: None)

    return make


@pytest.fixture(scope="module")
def bad(flights):
    """The fates of twenty rows, spread over the table: {flight_id: fate}."""
    fates = [fate for fate, n_rows in KINDS.items() for _ in range(n_rows)]
    ids = flights["flight_id"].iloc[7 :: len(flights) // len(fates)].tolist()
    return dict(zip(ids, fates))


@pytest.fixture(scope="module")
def with_bad_rows(flights_frame, bad):
    """The table of flights with those rows marked."""
    carrier = F.col("carrier")
    for flight_id, fate in bad.items():
        carrier = F.when(F.col("flight_id") == flight_id, F.lit(MARKS[fate])).otherwise(carrier)
    return flights_frame.withColumn("carrier", carrier)


def isolated(frame, plan, keep=("flight_id",), **arguments):
    return isolated_dataframe(
        frame, plan, keep, "prediction", "error", lambda text: None, "The table", **arguments
    )


@pytest.mark.long
def test_twenty_bad_rows_of_five_kinds_are_set_apart(
    spark, planned, with_bad_rows, bad, expected, flights_frame
):
    """Exactly these have an error and no prediction; all others the pipeline's own scores."""
    metrics = MetricsSum(spark)
    plan = planned(nan="bad", batch_timeout_s=2.0)
    found = isolated(with_bad_rows, plan, metrics=metrics).cache()
    assert found.columns == ["flight_id", "prediction", "error"]
    assert found.count() == flights_frame.count()
    rows = found.filter("error IS NOT NULL").collect()
    assert {row.flight_id: row.error for row in rows} == {
        flight_id: CAUSES[fate] for flight_id, fate in bad.items()
    }
    assert [row.flight_id for row in rows if row.prediction is not None] == []
    assert_df_equality(
        found.filter("error IS NULL").drop("error"),
        expected.filter(~F.col("flight_id").isin(list(bad))),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    # A batch that failed was not answered, so every other row was answered once.
    n_not_answered = sum(n_rows for fate, n_rows in KINDS.items() if fate != "nan_in_score")
    assert metrics.metrics().n_rows == flights_frame.count() - n_not_answered
    assert metrics.metrics().n_failures > 5
    found.unpersist()


def test_a_table_without_bad_rows_is_scored_as_ever(planned, flights_frame, expected):
    """The error column is all null; NaN is kept where it is not said to be bad."""
    found = isolated(flights_frame, planned())
    assert found.filter("error IS NOT NULL").count() == 0
    assert_df_equality(found.drop("error"), expected, ignore_row_order=True, ignore_nullable=True)


def test_more_bad_rows_than_allowed_fail_the_job(planned, with_bad_rows):
    """The error is ours when it comes back from the executor, and names a row."""
    few = with_bad_rows.filter(F.col("carrier") != MARKS["hang_in_score"])
    found = isolated(few, planned(nan="bad"), max_bad_rows=1)
    with pytest.raises(Exception, match="BadRowsError") as caught:
        found.count()
    error = from_spark(caught.value)
    assert isinstance(error, BadRowsError)
    assert "More than 1 rows" in error.message
    assert "the first is row " in error.message


def test_added_columns_must_be_new(planned, flights_frame):
    """A clash of the error's name with a kept column is told before a task starts."""
    frame = flights_frame.withColumn("error", F.lit("mine"))
    with pytest.raises(ColumnError, match=r"has a column 'error' itself; .*\(error=\)"):
        isolated(frame, planned(), keep=None)
    assert isolated(frame, planned()).columns == ["flight_id", "prediction", "error"]


def test_the_plain_pass_names_the_first_row_without_a_score(export, with_scorer, with_bad_rows):
    """score_dataframe with nan="bad" fails with the row's number, partition and column."""
    only_nan = with_bad_rows.filter(
        ~F.col("carrier").startswith("stand-in") | (F.col("carrier") == MARKS["nan_in_score"])
    )
    path = export(fate="mixed_in_score")
    found = score_dataframe(only_nan, path, **with_scorer, keep=["flight_id"])
    assert found.filter(F.isnan(F.col("prediction").getField("late.yes"))).count() == 4
    strict = score_dataframe(only_nan, path, **with_scorer, keep=["flight_id"], nan="bad")
    with pytest.raises(Exception, match="ScoringError") as caught:
        strict.count()
    error = from_spark(caught.value)
    assert isinstance(error, ScoringError)
    assert "no score for row " in error.message
    assert "prediction late.no is NaN" in error.message
