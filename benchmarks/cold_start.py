"""Cold start part by part, warm second jobs against a bare one, and a large environment on a host.

All on local-cluster, whose executors have working folders of their own, so that files really
travel:

- cold: an executor and a host that have nothing; ship (driver), fetch (executor), unpack, start and
  load, describe, first batch;
- warm: from the call of `score_dataframe` to its first row, which needs the first batch scored,
  against the same of a mapInArrow that scores nothing;
- large: an environment of 1.2 GB on its first executor, and on a second one of the same host.
"""

import argparse
import json
import os
import statistics
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from bare import bare_frame
from direct import ENVIRONMENT, FOLDER, LICENSE, fresh, prepare_files
from exports import flights_pipeline
from large_environment import large_environment
from program import Program, tell, took
from pyspark.sql import DataFrame, SparkSession
from session import start_spark
from tables import FEATURES, KEY, written_table

from dai_spark import score_dataframe
from dai_spark.driver.progress.messages import log_message
from dai_spark.driver.ship import ship_file, ship_package
from dai_spark.local.local_plan import no_uri
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.plan.request import ScoringRequest

ONE_EXECUTOR = "local-cluster[1,2,1024]"
TWO_EXECUTORS = "local-cluster[2,1,1024]"
# Each session has one of its own, and all of them go at the end: ext4 is in no haste to use again
# what a moment ago was a deleted file's, and looks for something else at every file, so that
# unpacking behind a removed cache takes two to three times as long as on a host that had none.
CACHES = FOLDER / "cold-caches"
N_FILES = 4
WARM_RUNS = 10


def main() -> None:
    """Measure all three and write the result."""
    program = Program(__file__, __doc__, rows=100_000, repeat=3)
    program.parser.add_argument(
        "--environment-mb", type=int, default=1200, help="of the large one (default 1200)"
    )
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure cold, warm and large, each in sessions of its own."""
    prepare_files()
    pipeline = flights_pipeline(100)
    table = str(written_table(arguments.rows, N_FILES)[0])
    large = large_environment(arguments.environment_mb * 1_000_000)
    usual_cache = os.environ.get("DAI_SPARK_CACHE")
    try:
        return {
            "cold": [
                in_session(ONE_EXECUTOR, cold, table, pipeline, ENVIRONMENT)
                for _ in range(arguments.repeat)
            ],
            "warm": in_session(ONE_EXECUTOR, warm, table, pipeline, ENVIRONMENT),
            "large": [
                {
                    "environment_mb": arguments.environment_mb,
                    "archive_mb": large.stat().st_size / 1e6,
                    **in_session(TWO_EXECUTORS, two_executors, table, pipeline, large),
                }
                for _ in range(arguments.repeat)
            ],
        }
    finally:
        if usual_cache is None:
            os.environ.pop("DAI_SPARK_CACHE", None)
        else:
            os.environ["DAI_SPARK_CACHE"] = usual_cache
        fresh(CACHES).rmdir()


def in_session(master: str, part: Any, table: str, pipeline: Path, environment: Path) -> Any:
    """Run a part in a session whose host has never seen anything of dai_spark."""
    cache = str(fresh(CACHES / uuid.uuid4().hex))
    os.environ["DAI_SPARK_CACHE"] = cache
    spark = start_spark(master, spark__executorEnv__DAI_SPARK_CACHE=cache)
    try:
        found = part(spark, spark.read.parquet(table), pipeline, environment)
    finally:
        spark.stop()
    tell(f"{part.__name__}: {json.dumps(found)}")
    return found


def cold(
    spark: SparkSession, frame: DataFrame, pipeline: Path, environment: Path
) -> dict[str, float]:
    """The seconds of each part of a first use."""
    one = frame.select(KEY, *FEATURES).limit(10_000).coalesce(1)
    one = spark.createDataFrame(one.toPandas(), one.schema).coalesce(1)
    first_batch(bare_frame(one, [KEY], FEATURES))
    bare_s = took(lambda: first_batch(bare_frame(one, [KEY], FEATURES)))
    begun = time.monotonic()
    plan = shipped_plan(spark, pipeline, environment)
    ship_s = time.monotonic() - begun
    # Executors fetch new files before their next task, whatever it does.
    fetch_s = took(lambda: first_batch(bare_frame(one, [KEY], FEATURES))) - bare_s
    answer = one.mapInArrow(staged(plan), "answer string").collect()[0]["answer"]
    return {"ship_s": ship_s, "fetch_s": max(fetch_s, 0.0), **json.loads(answer)}


def shipped_plan(spark: SparkSession, pipeline: Path, environment: Path) -> ScoringPlan:
    """What `score_dataframe` does on the driver before its probe."""
    request = ScoringRequest.of(pipeline, environment, None, str(LICENSE), None, {}, no_uri, no_uri)
    ship_package(spark)

    def ship(path: Path, digest: str, ending: str, label: str) -> ShippedFile:
        return ship_file(spark, path, digest, ending, label, log_message)

    return request.plan(ship)


def staged(plan: ScoringPlan) -> Any:
    """Body of a mapInArrow that does what a first task does, and tells how long each part took."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from dai_spark.client.connection import Connection
        from dai_spark.client.executor import current_executor
        from dai_spark.schema.cast import cast_batch
        from dai_spark.unpack.folders import environment_folder, pipeline_folder

        rows = pa.Table.from_batches(list(batches)).combine_chunks().to_batches()[0]
        marks = [time.monotonic()]
        limit_s = plan.options.start_timeout_s
        pipeline_folder(plan.pipeline, limit_s)
        environment_folder(plan.environment, limit_s)
        marks.append(time.monotonic())
        with Connection(plan, current_executor()) as connection:
            marks.append(time.monotonic())
            described = connection.describe()
            marks.append(time.monotonic())
            wanted = plan.with_description(described).wanted()
            sent = cast_batch(rows, wanted, "the first batch").batch
            connection.send_batch(sent, 0)
            connection.receive_batch("the first batch")
            marks.append(time.monotonic())
        names = ("unpack_s", "start_and_load_s", "describe_s", "first_batch_s")
        told = {name: after - before for name, before, after in zip(names, marks, marks[1:])}
        told["of_load_in_scorer_s"] = described.load_s
        yield pa.RecordBatch.from_arrays([pa.array([json.dumps(told)])], names=["answer"])

    return run


def warm(
    spark: SparkSession, frame: DataFrame, pipeline: Path, environment: Path
) -> dict[str, Any]:
    """From submit to the first row, of a second job and of a bare one, in turn."""
    files = {"env": environment, "license_file": str(LICENSE), "on_message": log_message}

    def scored() -> float:
        return took(lambda: first_batch(score_dataframe(frame, pipeline, keep=[KEY], **files)))

    def bare() -> float:
        return took(lambda: first_batch(bare_frame(frame, [KEY], FEATURES)))

    first_s = scored()
    bare()
    runs = [(bare(), scored()) for _ in range(WARM_RUNS)]
    bare_s, scored_s = (statistics.median(column) for column in zip(*runs))
    return {
        "first_job_s": first_s,
        "bare_s": bare_s,
        "second_job_s": scored_s,
        "over_bare_s": scored_s - bare_s,
        "to_reach_s": 0.3,
    }


def first_batch(frame: DataFrame) -> None:
    """Ask for one row, which comes when the first batch is through."""
    assert len(frame.take(1)) == 1


def two_executors(
    spark: SparkSession, frame: DataFrame, pipeline: Path, environment: Path
) -> dict[str, float]:
    """Seconds until the unpacked environment is there, on a first and on a second executor."""
    plan = shipped_plan(spark, pipeline, environment)
    told: dict[str, float] = {}
    begun = time.monotonic()
    while len(told) < 2:
        # More tasks than cores, so that each executor gets one.
        n_tasks = 4 if told else 1
        rows = spark.range(0, n_tasks, 1, n_tasks).mapInArrow(unpacking(plan), "answer string")
        for row in rows.collect():
            executor, seconds = json.loads(row["answer"])
            told.setdefault(executor, seconds)
        if time.monotonic() - begun > 300:
            raise SystemExit("The second executor got no task within 300 s.")
    first_s, second_s = told.values()
    return {"first_executor_s": first_s, "second_executor_s": second_s, "to_reach_second_s": 0.5}


def unpacking(plan: ScoringPlan) -> Any:
    """Body of a mapInArrow that asks for the environment and names its executor."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from dai_spark.client.executor import current_executor
        from dai_spark.unpack.folders import environment_folder

        for _ in batches:
            begun = time.monotonic()
            environment_folder(plan.environment, plan.options.start_timeout_s)
            seconds = time.monotonic() - begun
            # Long enough for a task of each executor to be running.
            time.sleep(0.5)
            told = json.dumps([str(current_executor().folder), seconds])
            yield pa.RecordBatch.from_arrays([pa.array([told])], names=["answer"])

    return run


if __name__ == "__main__":
    main()
