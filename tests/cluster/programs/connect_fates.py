"""A client of a Connect server apart: what becomes of its jobs and of its session."""

import json
import sys
import time
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession
from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator as Answers

from dai_spark import score_dataframe, score_udf
from dai_spark.driver.spark_errors.telling import kind_of, said_by

out = Path(arguments["out"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
found = {"n_reattached": 0}
reattach = Answers._create_reattach_execute_request


def counted(answers):
    found["n_reattached"] += 1
    return reattach(answers)


Answers._create_reattach_execute_request = counted


def begin():
    return SparkSession.builder.remote(arguments["server"]).create()


def save(frame, name):
    frame = frame.select("flight_id", "prediction.*").toPandas()
    # Connect hangs the query's metrics on, which pandas cannot write.
    frame.attrs.clear()
    frame.to_parquet(out / f"{name}.parquet")


def scored(spark, pipeline, **words):
    flights = spark.read.parquet(arguments["flights"]).repartition(2)
    return score_dataframe(flights, arguments[pipeline], keep=["flight_id"], **files, **words)


spark = begin()
begun = time.monotonic()
save(scored(spark, "slow_pipeline", batch_rows=500), "slow")
found["slow_s"] = time.monotonic() - begun
print("the slow job has ended", flush=True)
if arguments["idle_s"]:
    score = score_udf(arguments["pipeline"], spark=spark, **files)
    flights = spark.read.parquet(arguments["flights"])
    save(flights.withColumn("prediction", score()), "before")
    time.sleep(arguments["idle_s"])
    try:
        save(flights.withColumn("prediction", score()), "expired")
    except Exception as error:  # noqa: BLE001 - told to the test
        found["expired"] = [kind_of(error), said_by(error)]
    spark = begin()
    flights = spark.read.parquet(arguments["flights"])
    again = score_udf(arguments["pipeline"], spark=spark, **files)
    save(flights.withColumn("prediction", again()), "after")
(out / "findings.json").write_text(json.dumps(found))
