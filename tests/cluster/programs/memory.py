"""Scores on an executor whose Python workers may have little memory: what the driver is told."""

import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

spark = (
    # 3000 MB for two cores: 1500 MB a worker, which is what its sidecar inherits.
    SparkSession.builder.master("local-cluster[1,2,4096]")
    .appName("little memory")
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.executor.cores", "2")
    .config("spark.executor.pyspark.memory", "3000m")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.task.maxFailures", "1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")

from dai_spark import errors, score_dataframe

flights = spark.read.parquet(arguments["flights"]).limit(100)
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
told = {}
for name, pipeline in arguments["pipelines"].items():
    try:
        told[name] = score_dataframe(flights, pipeline, keep=["flight_id"], **files).count()
    except Exception as error:  # noqa: BLE001 - told to the test
        found = errors.from_spark(error) or error
        told[name] = f"{type(found).__name__}: {getattr(found, 'message', found)}"
spark.stop()
Path(arguments["out"], "findings.json").write_text(json.dumps(told))
