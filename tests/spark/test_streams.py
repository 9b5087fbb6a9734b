"""Structured streaming by the faces: each micro-batch scored by the sidecar of the first one."""

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_table, score_udf
from dai_spark.driver.metrics_sum import MetricsSum

FACES = {
    "udf": lambda frame, pipeline, words: frame.select(
        "flight_id", score_udf(pipeline, **words, spark=frame.sparkSession)().alias("prediction")
    ),
    "dataframe": lambda frame, pipeline, words: score_dataframe(
        frame, pipeline, **words, keep=["flight_id"]
    ),
}
# The first number is CI's.
N_BATCHES = [4, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


@pytest.fixture
def files(flights_frame, tmp_path):
    """A function that makes a folder of so many files; a stream takes one a micro-batch."""

    def make(n_files):
        path = str(tmp_path / "files")
        rows = flights_frame.where(F.col("flight_id") % 37 == 0)
        rows.repartition(n_files).write.parquet(path)
        return path

    return make


@pytest.mark.parametrize("n_batches", N_BATCHES)
@pytest.mark.parametrize("face", list(FACES))
def test_micro_batches_share_a_sidecar(
    spark, files, export, with_scorer, expected, tmp_path, face, n_batches
):
    """One load, or none where it is warm; each row once, with the pipeline's own scores."""
    path = files(n_batches)
    metrics = MetricsSum(spark)
    schema = spark.read.parquet(path).schema
    stream = spark.readStream.schema(schema).option("maxFilesPerTrigger", "1").parquet(path)
    scored = FACES[face](stream, export(), {**with_scorer, "metrics": metrics})
    writer = scored.writeStream.option("checkpointLocation", str(tmp_path / "checkpoint"))
    query = writer.trigger(availableNow=True).start(str(tmp_path / "scores"), format="parquet")
    query.awaitTermination()
    assert query.lastProgress["batchId"] == n_batches - 1
    assert_all_scored(spark, path, str(tmp_path / "scores"), expected)
    found = metrics.metrics()
    assert found.n_loads <= 1
    assert found.n_tasks >= n_batches


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_micro_batches_of_the_table_job_share_a_sidecar(
    spark, files, export, with_scorer, expected, tmp_path
):
    """Each of two hundred is a run of its own, and loads nothing."""
    path = files(200)
    report = score_table(
        export(),
        **with_scorer,
        spark=spark,
        source=f"parquet:{path}",
        target=f"parquet:{tmp_path}/scores",
        keep=["flight_id"],
        mode="append",
        incremental="stream",
        checkpoint=f"{tmp_path}/checkpoint",
        source_options={"maxFilesPerTrigger": "1"},
        progress=False,
    )
    assert_all_scored(spark, path, str(tmp_path / "scores"), expected)
    assert report.metrics.n_loads <= 1
    assert report.metrics.n_tasks >= 200


def assert_all_scored(spark, source, target, expected):
    ids = spark.read.parquet(source).select("flight_id")
    own = expected.join(ids, "flight_id", "left_semi")
    found = spark.read.parquet(target).select("flight_id", "prediction")
    assert found.count() == ids.count()
    assert_df_equality(found, own, ignore_row_order=True, ignore_nullable=True)
