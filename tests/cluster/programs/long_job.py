"""Begins a long job, in the middle of which it is killed."""

import json
import sys

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark import score_dataframe

files = {"env": arguments["env"], "license_file": arguments["license_file"]}

spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]")
    .appName("killed")
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
flights = spark.read.parquet(arguments["flights"]).repartition(2)
slow = score_dataframe(flights, arguments["slow_pipeline"], batch_rows=100, **files)
print("the long job begins")
slow.count() or slow.toPandas()
print("the long job has ended")
