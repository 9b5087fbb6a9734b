"""A client of a Connect server apart: two sessions at once, each with its own pipeline."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark import score_dataframe, score_table, score_udf
from dai_spark.errors import OptionError

out = Path(arguments["out"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
builder = SparkSession.builder.remote(arguments["server"])
found = {}


def save(frame, name):
    frame = frame.select("flight_id", "prediction.*").toPandas()
    # Connect hangs the query's metrics on, which pandas cannot write.
    frame.attrs.clear()
    frame.to_parquet(out / f"{name}.parquet")


def refused(call):
    try:
        call()
    except OptionError as error:
        return error.message
    return None


def in_a_thread(call):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


first = builder.create()
# The only one there is: also in a thread, where Spark has none.
found["of_thread"] = in_a_thread(lambda: SparkSession.getActiveSession() is None)
flights = first.read.parquet(arguments["flights"])
alone = in_a_thread(lambda: score_udf(arguments["pipelines"][0], **files))
save(flights.withColumn("prediction", alone()), "alone")

second = builder.create()
tables = {"source": "parquet:/none", "target": "parquet:/nowhere"}
found["refused"] = [
    refused(lambda: score_udf(arguments["pipelines"][1], **files)),
    refused(lambda: in_a_thread(lambda: score_udf(arguments["pipelines"][1], **files))),
    refused(lambda: score_table(arguments["pipelines"][1], **tables, **files)),
]


def score(session, pipeline, name):
    frame = session.read.parquet(arguments["flights"])
    scored = frame.withColumn("prediction", score_udf(pipeline, spark=session, **files)())
    save(scored, f"{name}_udf")
    # A DataFrame has its own session.
    save(score_dataframe(frame, pipeline, **files), f"{name}_frame")


with ThreadPoolExecutor(2) as pool:
    both = zip((first, second), arguments["pipelines"], ("first", "second"))
    for done in [pool.submit(score, *each) for each in both]:
        done.result()

first.stop()
# Spark's own default was the first one.
found["default"] = SparkSession.getActiveSession() is None
left = score_udf(arguments["pipelines"][1], **files)
flights = second.read.parquet(arguments["flights"])
save(flights.withColumn("prediction", left()), "left")
second.stop()
found["stopped"] = refused(lambda: score_udf(arguments["pipelines"][1], **files))
(out / "findings.json").write_text(json.dumps(found))
