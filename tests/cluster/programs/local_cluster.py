"""Scores on two executors in every way there is, then loses one of them in the middle of a job.

What it does in executors is written here by value: they have no dai_spark before it is shipped.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

out = Path(arguments["out"])
found = {"logs": {}, "executors": {}}


def look(_):
    """What an executor has: run in enough tasks at once that every executor gets some."""
    from pyspark import SparkFiles

    try:
        import dai_spark

        package = dai_spark.__file__
    except ImportError:
        package = None
    time.sleep(0.5)
    working = Path.cwd()
    yield {
        "working": str(working),
        "package": package,
        "place": os.environ["SPARK_LOCAL_DIRS"],
        "cache": os.environ["DAI_SPARK_CACHE"],
        "pid": os.getpid(),
        "shipped": {
            p.name: p.stat().st_size for p in Path(SparkFiles.getRootDirectory()).iterdir()
        },
        "n_files": sum(len(files) for _, _, files in os.walk(working)),
        "folders": [p.name for p in working.iterdir() if p.is_dir()],
    }


def executors():
    n_tasks = 4
    seen = spark.sparkContext.parallelize(range(n_tasks), n_tasks).mapPartitions(look).collect()
    by_folder = {}
    for one in seen:
        one["java"] = looking.java_above(one["pid"])
        by_folder[one["working"]] = one
    return list(by_folder.values())


def logs():
    """How often each executor's sidecars have constructed a scorer."""
    paths = Path(arguments["folder"], "spark", "work").rglob("dai_spark-sidecar-*.log")
    return {str(path): path.read_text().count("Scorer() constructed") for path in paths}


def save(frame, name):
    frame.select("flight_id", "prediction.*").toPandas().to_parquet(out / f"{name}.parquet")


spark = (
    SparkSession.builder.master("local-cluster[2,2,1024]")
    .appName("local cluster")
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
    .config("spark.sql.shuffle.partitions", "8")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
flights = spark.read.parquet(arguments["flights"]).repartition(4)
found["n_rows"] = flights.count()
found["executors"]["before"] = executors()

# -- every way of scoring ----------------------------------------------------------------------

from dai_spark import score_dataframe, score_udf

files = {"env": arguments["env"], "license_file": arguments["license_file"]}
score = score_udf(arguments["pipeline"], **files)
save(flights.withColumn("prediction", score()), "arrow")
found["logs"]["arrow"] = logs()
again = score_udf(arguments["pipeline"], udf_type="pandas", **files)
save(flights.withColumn("prediction", again(F.struct("*"))), "pandas")
spark.udf.register("score", score)
flights.createOrReplaceTempView("flights")
save(spark.sql("SELECT flight_id, score(struct(*)) AS prediction FROM flights"), "sql")
save(score_dataframe(flights, arguments["pipeline"], keep=["flight_id"], **files), "dataframe")
found["logs"]["all"] = logs()
found["executors"]["after"] = executors()

# -- an executor is lost in the middle of a job ------------------------------------------------

slow = score_dataframe(
    flights, arguments["slow_pipeline"], keep=["flight_id"], batch_rows=500, **files
)
victim = executors()[0]


def kill_when_scoring():
    def is_scoring():
        working = looking.sidecars(victim["place"]).values()
        return sum(not is_sidecar for is_sidecar, _ in working) >= 2

    found["killed_after_s"] = looking.wait_until(is_scoring, 60)
    time.sleep(0.5)
    os.kill(victim["java"], signal.SIGKILL)
    found["killed"] = time.time()


killer = threading.Thread(target=kill_when_scoring)
killer.start()
save(slow, "executor_lost")
found["job_ended"] = time.time()
killer.join()
found["victim"] = victim
found["executors"]["lost"] = executors()
found["victim_gone_s"] = looking.wait_until(lambda: not looking.sidecars(victim["place"]), 15)
found["sidecars"] = list(looking.sidecars(arguments["folder"]).values())

spark.stop()
found["stopped_gone_s"] = looking.wait_until(lambda: not looking.sidecars(arguments["folder"]), 15)
(out / "findings.json").write_text(json.dumps(found))
