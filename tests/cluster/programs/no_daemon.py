"""Scores with Spark's Python workers started one by one, stops, and is killed in a second job."""

import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from dai_spark import score_dataframe  # noqa: E402

out = Path(arguments["out"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}


def session(use_daemon):
    made = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .appName("no daemon")
        .config("spark.python.use.daemon", use_daemon)
        .config("spark.driver.memory", "512m")
        .config("spark.executor.memory", "512m")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("ERROR")
    return made


spark = session("false")
flights = spark.read.parquet(arguments["flights"]).repartition(2)
scored = score_dataframe(flights, arguments["pipeline"], keep=["flight_id"], **files)
scored.select("flight_id", "prediction.*").toPandas().to_parquet(out / "no_daemon.parquet")
found = {"sidecars": list(looking.sidecars(arguments["folder"]).values())}
spark.stop()
found["gone_s"] = looking.wait_until(lambda: not looking.sidecars(arguments["folder"]), 15)
found["left"] = looking.leftovers(arguments["folder"])
(out / "findings.json").write_text(json.dumps(found))

spark = session("true")
flights = spark.read.parquet(arguments["flights"]).repartition(2)
slow = score_dataframe(flights, arguments["slow_pipeline"], batch_rows=100, **files)
print("the long job begins")
slow.count() or slow.toPandas()
print("the long job has ended")
