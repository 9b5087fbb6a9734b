"""Scores with pipeline, environment and licence on a file system of the cluster's, and writes."""

import json
import sys
import time
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark import score_dataframe, score_udf
from dai_spark.driver.filesystem.uris import fetch, read_bytes, write_text
from dai_spark.errors import DaiSparkError, from_spark

out = Path(arguments["out"])
root = arguments["root"]
uris = {name: f"{root}/models/{Path(arguments[name]).name}" for name in ("pipeline", "env")}
uris["license_file"] = f"{root}/secrets/license.sig"
told = []
found = {"errors": {}, "said": {}}

spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]")
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.hadoop.ipc.client.connect.max.retries", "1")
    .getOrCreate()
)
jvm = spark.sparkContext._jvm
hadoop = jvm.org.apache.hadoop.fs
cluster = hadoop.Path(root).getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())


def put(path, uri):
    cluster.copyFromLocalFile(False, True, hadoop.Path(str(path)), hadoop.Path(uri))


def names(folder):
    return sorted(one.getPath().getName() for one in cluster.listStatus(hadoop.Path(folder)))


def save(frame, name):
    frame.select("flight_id", "prediction.*").toPandas().to_parquet(out / f"{name}.parquet")


def said(name):
    found["said"][name] = list(told)
    told.clear()


def failing(name, call):
    begun = time.monotonic()
    try:
        call()
        found["errors"][name] = None
    except DaiSparkError as error:
        same = from_spark(error)
        found["errors"][name] = {"class": type(same).__name__, "message": error.message}
    found["errors"][name]["took_s"] = time.monotonic() - begun


for name in ("pipeline", "env", "license_file"):
    put(arguments[name], uris[name])
flights = spark.read.parquet(arguments["flights"]).repartition(4)

# -- scoring -----------------------------------------------------------------------------------

words = {"env": uris["env"], "license_file": uris["license_file"], "on_message": told.append}
score = score_udf(uris["pipeline"], **words)
found["label"] = score.plan.pipeline.label
save(flights.withColumn("prediction", score()), "udf")
said("first")
save(score_dataframe(flights, uris["pipeline"], keep=["flight_id"], **words), "dataframe")
said("second")

cache = Path(arguments["cache"]) / "fetched"
found["fetched"] = {
    path.name: {
        "n_bytes": path.stat().st_size,
        "mode": path.stat().st_mode & 0o777,
        "modes_above": [parent.stat().st_mode & 0o777 for parent in list(path.parents)[:3]],
    }
    for path in cache.rglob("*")
    if path.is_file()
}

put(arguments["other_pipeline"], uris["pipeline"])
save(score_dataframe(flights, uris["pipeline"], keep=["flight_id"], **words), "replaced")
said("replaced")
found["versions"] = len(list(cache.rglob("*.zip")))
found["left_aside"] = [str(path) for path in cache.rglob(".*")]

# -- small files -------------------------------------------------------------------------------

report = f"{root}/reports/2026/report.json"
write_text(spark, report, '{"n_rows": 1}')
write_text(spark, report, '{"n_rows": 2, "where": "Zürich"}')
found["report"] = read_bytes(spark, report).decode("utf-8")
found["report_read_by_spark"] = spark.read.text(report).collect()[0][0]
found["beside_report"] = names(f"{root}/reports/2026")
config = f"{root}/jobs/job.toml"
write_text(spark, config, "mode = 'append'\n")
found["config"] = read_bytes(spark, config).decode("utf-8")

# -- what cannot be ----------------------------------------------------------------------------

nowhere = "hdfs://127.0.0.1:1/scorer.zip"
locked = f"{root}/locked/license.sig"
failing("no_file", lambda: fetch(spark, f"{root}/models/none.zip", print))
failing("folder", lambda: fetch(spark, f"{root}/models", print))
failing("large", lambda: read_bytes(spark, uris["env"]))
failing("no_jar", lambda: score_udf("s3a://bucket/scorer.zip", env=arguments["env"]))
failing("no_scheme", lambda: fetch(spark, "htfs://host/scorer.zip", print))
failing("unreachable", lambda: fetch(spark, nowhere, print))
failing("denied", lambda: read_bytes(spark, locked))
failing("denied_write", lambda: write_text(spark, locked, "x"))
failing(
    "no_license",
    lambda: score_udf(
        arguments["pipeline"], env=arguments["env"], license_file=f"{root}/secrets/none.sig"
    ),
)
failing("no_pipeline", lambda: score_udf(f"{root}/models/none.zip", env=arguments["env"]))

spark.stop()
(out / "findings.json").write_text(json.dumps(found))
