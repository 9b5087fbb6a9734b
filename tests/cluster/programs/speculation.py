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
from dai_spark.drift.measured_rows import WhatToMeasure
from dai_spark.driver.row_facts.rows_measure import RowsMeasure

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


def measured(spark, name, disturbed, after=lambda frame: frame):
    """8,000 rows of eight partitions, measured by tasks of which some are run again."""
    what = WhatToMeasure({"id": True}, (), ("id",))
    measure = RowsMeasure(spark, what)
    measuring = measure.measuring

    def body(batches):
        rows = measuring.begin()
        for batch in batches:
            rows.add(batch, batch.to_struct_array())
            yield batch
        measuring.end(rows)

    frame = after(spark.range(0, 8000, 1, 8).mapInArrow(body, "id bigint"))
    spark.sparkContext.setJobGroup(name, name)
    n_rows = len(frame.mapInArrow(disturbed, "id bigint").collect())
    seen = measure.taken()
    one = seen.distributions(what)["id"]
    counted = [seen.n_rows, one.n, one.minimum, one.maximum, one.mean, len(seen.attempts)]
    found[name] = {"n_rows": n_rows, "measured": counted}


def disturbed(name, action):
    """Passes rows through; behind those of the first task of a number, something happens once."""
    place = str(folder / name)

    def body(batches):
        import os

        from pyspark import TaskContext

        yield from batches
        if TaskContext.get().partitionId() == 1:
            try:
                os.close(os.open(place, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            action()

    return body


def fail():
    """The rows were measured, and the attempt is not counted."""
    raise ValueError("the first attempt")


def linger():
    """Long enough for Spark to start a copy."""
    import time

    time.sleep(60)


def kill():
    """End the executor, and with it what earlier tasks of it have shuffled."""
    import os
    import signal
    from pathlib import Path

    pid = os.getpid()
    while "java" not in Path(f"/proc/{pid}/comm").read_text():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)


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
    measured(spark, "retried", disturbed("retried", fail))
    measured(spark, "copied", disturbed("copied", linger))
    measured(
        spark, "stage again", disturbed("again", kill), lambda frame: frame.repartition(4, "id")
    )
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
