"""Odd answers and errors of a pipeline on their way through Spark."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from odd_scorer import SCORER, odd_export

from dai_spark import score_udf
from dai_spark.errors import ScoringError, from_spark
from dai_spark.plan.spark_versions import has_arrow_udfs

# Far more than it takes: a worker that cannot send its error hangs for ever.
LIMIT_S = 60


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    return odd_export(tmp_path_factory.mktemp("odd"))


@pytest.fixture
def collected(spark):
    """Collect a frame within a limit."""
    with ThreadPoolExecutor(1) as threads:

        def call(frame):
            job = threads.submit(frame.collect)
            if not wait([job], LIMIT_S).done:
                spark.sparkContext.cancelAllJobs()
                pytest.fail("the job hangs")
            return job.result()

        yield call


def rows_for(spark, habit):
    rows = spark.range(8).selectExpr("CAST(id AS DOUBLE) AS number").coalesce(1)
    return rows.selectExpr("number", f"{habit!r} AS text" if habit else "'' AS text")


@pytest.fixture(params=["arrow", "pandas"])
def score(request, spark, odd, with_scorer):
    """Both kinds of UDF."""
    if request.param == "arrow" and not has_arrow_udfs(spark):
        pytest.skip("Arrow UDFs came with Spark 4.1")
    return score_udf(odd, **with_scorer, udf_type=request.param, spark=spark)


def test_rows_keep_their_scores_and_errors_come_back(score, spark, collected):
    """An answer turned round is put in order; a text that is no UTF-8, or too long, is told."""
    turned = rows_for(spark, "found.iloc[::-1]").withColumn("y", score())
    assert [(row["number"], row["y"]["y"]) for row in collected(turned)] == [
        (float(i), 2.0 * i) for i in range(8)
    ]
    for error, words in [
        ("chr(0xdcff) + chr(0xd800)", r"ValueError: \\udcff\\ud800"),
        ("chr(0xe9) * 12_000_000", "ValueError: ééé"),
    ]:
        failing = rows_for(spark, f"throw(ValueError({error}))").withColumn("y", score())
        with pytest.raises(Exception, match=words) as caught:
            collected(failing)
        assert isinstance(from_spark(caught.value), ScoringError)


WHOLE = """
Scorer.score_batch = lambda self, frame: pd.DataFrame({
    "y": np.array([None if n != n else int(n) + 2**53 + 1 for n in frame["number"]], dtype=object)
})
"""


def test_integers_some_of_which_are_missing_stay_integers(spark, tmp_path, with_scorer, collected):
    """Both kinds of UDF give the bigint itself, and null."""
    path = odd_export(tmp_path, SCORER + WHOLE)
    rows = spark.sql("SELECT * FROM VALUES (2D, 'a'), (NULL, 'a') AS t(number, text)")
    for udf_type in ("pandas", "arrow") if has_arrow_udfs(spark) else ("pandas",):
        score = score_udf(path, **with_scorer, udf_type=udf_type, spark=spark)
        found = collected(rows.coalesce(1).select(score().alias("p")).select("p.y"))
        assert sorted((row["y"] for row in found), key=str) == [2**53 + 3, None]
