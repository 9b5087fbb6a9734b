"""YARN in client mode: it scores, warns of a small container, and is killed as an application."""

import json
import sys
import threading
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking
from pyspark.sql import SparkSession

from dai_spark import score_dataframe, score_table
from dai_spark.driver.spark_errors.telling import said_by

out = Path(arguments["out"])
# The pipelines, the environment, the licence and the flights lie on HDFS.
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
cluster = Path(arguments["cluster"])
found = {"messages": []}

builder = SparkSession.builder.master("yarn").appName("yarn")
for name, value in arguments["settings"].items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
context = spark.sparkContext
flights = spark.read.parquet(arguments["flights"]).repartition(4)


def save(frame, name):
    frame.select("flight_id", "prediction.*").toPandas().to_parquet(out / f"{name}.parquet")


def said(action):
    """What a user reads of what Spark raises."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - told to the test
        return said_by(error)
    return None


def scored(name, **words):
    return score_dataframe(
        flights,
        arguments[name],
        keep=["flight_id"],
        on_message=found["messages"].append,
        **files,
        **words,
    )


save(scored("pipeline"), "dataframe")
tables = {"source": f"parquet:{arguments['flights']}", "target": f"parquet:{arguments['target']}"}
report = score_table(arguments["pipeline"], keep=["flight_id"], progress=False, **tables, **files)
found["n_rows"] = report.n_rows
save(spark.read.parquet(arguments["target"]), "table")
places = {place for _, place in looking.sidecars(cluster).values()}
found["places"] = sorted(places)

found["n_large"] = scored("large_pipeline").count()


def kill_application():
    """As `yarn application -kill` does, in the middle of a job."""
    jvm = context._jvm
    before = set(looking.scorer_folders(cluster))
    found["at_work_s"] = looking.wait_until(lambda: looking.scorer_at_work(cluster, before), 120)
    client = jvm.org.apache.hadoop.yarn.client.api.YarnClient.createYarnClient()
    client.init(context._jsc.hadoopConfiguration())
    client.start()
    identity = jvm.org.apache.hadoop.yarn.api.records.ApplicationId
    client.killApplication(identity.fromString(context.applicationId))


slow = scored("slow_pipeline", batch_rows=50)
killer = threading.Thread(target=kill_application)
killer.start()
found["killed"] = said(slow.toPandas)
killer.join(60)
found["killed_gone_s"] = looking.wait_until(lambda: not looking.sidecars(cluster), 30)
(out / "findings.json").write_text(json.dumps(found))
