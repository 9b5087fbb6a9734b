"""A standalone cluster of two hosts, on one of which a scorer stands still: Spark runs a copy.

Spark never copies a task to the host that runs it, so the workers have addresses of their own.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking
from pyspark.sql import SparkSession
from standalone_cluster import StandaloneCluster

from dai_spark import score_dataframe

out, folder = Path(arguments["out"]), Path(arguments["folder"])
found = {}


def stop_a_scorer(of_trial):
    """SIGSTOP for a scorer that has a batch: it neither answers nor dies.

    For one of the job's own; that of the trial before it may stay without a task.
    """

    def at_work():
        return looking.scorer_at_work(folder / "local", of_trial)

    found["waited_s"] = looking.wait_until(at_work, 60)
    scorer = at_work()
    for pid in looking.sidecars(folder):
        if Path(f"/proc/{pid}/cwd").readlink() == scorer:
            os.kill(pid, signal.SIGSTOP)
            found["stopped"] = pid


def score(cluster):
    """A job whose slow task is copied to the other host."""
    spark = (
        SparkSession.builder.master(cluster.url)
        .appName("speculation")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "512m")
        .config("spark.executor.memory", "512m")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.cores.max", "4")
        .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
        .config("spark.scheduler.maxRegisteredResourcesWaitingTime", "60s")
        .config("spark.locality.wait", "0s")
        .config("spark.speculation", "true")
        .config("spark.speculation.quantile", "0.5")
        .config("spark.speculation.minTaskRuntime", "2s")
        .config("spark.eventLog.enabled", "true")
        .config("spark.eventLog.compress", "false")
        .config("spark.eventLog.rolling.enabled", "false")
        .config("spark.eventLog.dir", out.as_uri())
        .getOrCreate()
    )
    flights = spark.read.parquet(arguments["flights"]).coalesce(4)
    found["n_partitions"] = flights.rdd.getNumPartitions()
    scored = score_dataframe(
        flights,
        arguments["pipeline"],
        arguments["env"],
        license_file=arguments["license_file"],
        keep=["flight_id"],
        # Fifteen batches of 0.3 s each: on a busy machine, too, it is stopped before its last one.
        batch_rows=5,
    )
    spark.sparkContext.setJobGroup("speculation", "speculation")
    of_trial = set(looking.scorer_folders(folder / "local"))
    disturber = threading.Thread(target=stop_a_scorer, args=[of_trial])
    disturber.start()
    rows = scored.select("flight_id", "prediction.*").toPandas()
    rows.to_parquet(out / "scores.parquet")
    disturber.join(60)
    found["gone_s"] = looking.wait_until(
        lambda: (
            not looking.scorer_folders(folder / "local")
            and not Path(f"/proc/{found['stopped']}").exists()
        ),
        10,
    )
    spark.stop()
    found["stopped_gone_s"] = looking.wait_until(lambda: not looking.sidecars(folder), 15)


try:
    with StandaloneCluster(folder, arguments["ports"]) as standalone:
        score(standalone)
finally:
    (out / "findings.json").write_text(json.dumps(found))
