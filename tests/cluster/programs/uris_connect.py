"""Fetches and reads files over Spark Connect, whose server alone sees the file system."""

import hashlib
import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark import score_udf
from dai_spark.driver.filesystem.uris import fetch, read_bytes, write_text
from dai_spark.errors import DaiSparkError

out = Path(arguments["out"])
root = arguments["root"]
pipeline, env = f"{root}/models/{arguments['pipeline']}", f"{root}/models/{arguments['env']}"
license_file = f"{root}/secrets/license.sig"
told = []
found = {"errors": {}}

spark = (
    SparkSession.builder.remote("local[2]")
    .config("spark.driver.memory", "1500m")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)


def failing(name, call):
    try:
        call()
    except DaiSparkError as error:
        found["errors"][name] = {"class": type(error).__name__, "message": error.message}


path = fetch(spark, env, told.append)
found["env"] = [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
n_told = len(told)
found["again"] = [fetch(spark, env, told.append) == path, len(told) - n_told]
found["license"] = hashlib.sha256(read_bytes(spark, license_file)).hexdigest()

score = score_udf(pipeline, env=env, license_file=license_file, on_message=told.append)
flights = spark.read.parquet(arguments["flights"]).repartition(2)
frame = flights.withColumn("prediction", score()).select("flight_id", "prediction.*").toPandas()
# Connect hangs the query's metrics on, which pandas cannot write.
frame.attrs.clear()
frame.to_parquet(out / "udf.parquet")

failing("no_file", lambda: fetch(spark, f"{root}/models/none.zip", print))
failing("folder", lambda: fetch(spark, f"{root}/models", print))
failing("one_file_folder", lambda: fetch(spark, f"{root}/secrets", print))
failing("no_jar", lambda: read_bytes(spark, "s3a://bucket/license.sig"))
failing("denied", lambda: read_bytes(spark, f"{root}/locked/license.sig"))
failing("write", lambda: write_text(spark, f"{root}/reports/connect.json", "{}"))
write_text(spark, str(out / "made" / "report.json"), "{}")
found["written_here"] = (out / "made" / "report.json").read_text()
(out / "findings.json").write_text(json.dumps(found))
