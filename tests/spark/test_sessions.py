"""Which session scores where none is given: in threads, after an interrupt, beside another one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark import InheritableThread
from pyspark.sql import SparkSession

from dai_spark import score_table, score_udf
from dai_spark.errors import OptionError


def in_a_thread(call):
    """What a call gives in a thread of a pool, where Spark has no active session."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(SparkSession.getActiveSession).result(60) is None
        return pool.submit(call).result(240)


@pytest.fixture
def second_session(spark):
    """A session of the same application that Spark takes for the active one."""
    second = spark.newSession()
    second.range(1)
    # As `second.createDataFrame` does.
    SparkSession._activeSession = second
    yield second
    SparkSession._activeSession = spark


def test_a_thread_of_a_pool_scores(spark, export, with_scorer, flights_frame, expected):
    """score_udf without spark= in a ThreadPoolExecutor: the pipeline's own scores."""

    def score():
        scored = flights_frame.withColumn("prediction", score_udf(export(), **with_scorer)())
        return scored.select("flight_id", "prediction").collect()

    assert sorted(in_a_thread(score)) == sorted(expected.collect())


def test_a_thread_of_sparks_own_scores(spark, export, with_scorer, flights_frame, tmp_path):
    """score_table without spark= in pyspark's InheritableThread writes every row."""
    found = []
    target = tmp_path / "scores"

    def run():
        found.append(SparkSession.getActiveSession())
        score_table(
            export(),
            source=f"parquet:{flights_frame.inputFiles()[0].rpartition('/')[0]}",
            target=f"parquet:{target}",
            progress=False,
            **with_scorer,
        )

    thread = InheritableThread(target=run)
    thread.start()
    thread.join(240)
    assert found == [None]
    assert spark.read.parquet(str(target)).count() == flights_frame.count()


def test_two_sessions_are_told_apart_by_the_user(second_session, export, with_scorer):
    """In a thread nobody knows which of two is meant; with spark= each is taken."""
    with pytest.raises(OptionError, match=r"2 Spark sessions are open.*spark="):
        in_a_thread(lambda: score_udf(export(), **with_scorer))
    made = in_a_thread(lambda: score_udf(export(), spark=second_session, **with_scorer))
    assert made._spark is second_session


def test_the_active_one_of_two_is_taken(second_session, export, with_scorer):
    """Where Spark itself says which session is active, there is nothing to ask."""
    assert SparkSession.getActiveSession() is second_session
    assert score_udf(export(), **with_scorer)._spark is second_session
