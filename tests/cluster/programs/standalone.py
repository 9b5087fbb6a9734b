"""A standalone cluster of two hosts: executors that die, come and go in the middle of jobs."""

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
from pyspark.resource import (
    ExecutorResourceRequests,
    ResourceProfileBuilder,
    TaskResourceRequests,
)
from pyspark.sql import SparkSession
from standalone_cluster import HOSTS, StandaloneCluster, executors

from dai_spark import score_dataframe

out, folder = Path(arguments["out"]), Path(arguments["folder"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
COMMON = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.executor.memory": "512m",
    "spark.executor.cores": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.locality.wait": "0s",
    # A file is a partition.
    "spark.sql.files.openCostInBytes": "128m",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
}
found = {}


def begin(cluster, name, **settings):
    """A session of its own settings, and its event log in a folder of its name."""
    (out / name).mkdir()
    builder = SparkSession.builder.master(cluster.url).appName(name)
    settings = {"spark.eventLog.dir": (out / name).as_uri(), **COMMON, **settings}
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def scored(spark, pipeline="pipeline", n_partitions=None):
    """The flights with predictions, in batches of three rows."""
    flights = spark.read.parquet(arguments["flights"])
    if n_partitions:
        flights = flights.repartition(n_partitions)
    frame = score_dataframe(flights, arguments[pipeline], keep=["flight_id"], batch_rows=3, **files)
    return frame.select("flight_id", "prediction.*")


def save(spark, name, rows):
    """Run a job, named after itself, and keep its rows."""
    spark.sparkContext.setJobGroup(name, name)
    rows().to_parquet(out / f"{name}.parquet")
    # What is asked of a pipeline before the next job bears no name.
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def as_frame(spark, frame, through):
    """The rows of a frame whose last stage is run as `through` says."""
    return spark.createDataFrame(through(frame.rdd), frame.schema).toPandas()


def amid(name, action):
    """A thread that acts once two scorers of a slow job are at work."""
    before = set(looking.scorer_folders(folder / "local"))

    def run():
        found[f"{name}_waited_s"] = looking.wait_until(lambda: at_work(before), 90)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def at_work(before):
    """Whether two scorers that were not there before have been given batches."""
    now = looking.scorer_folders(folder / "local")
    return sum(busy and path not in before for path, busy in now.items()) >= 2


def with_kill(cluster):
    """An executor is killed; then a barrier and a profile of tasks."""
    spark = begin(
        cluster,
        "fixed",
        **{
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": "60s",
        },
    )
    application = spark.sparkContext.applicationId
    slow = scored(spark, "slow_pipeline")
    found["n_partitions"] = slow.rdd.getNumPartitions()
    found["before"] = executors(application)
    victim = found["before"]["0"]
    # Below the folder of a host's executors, in which the next one works, too.
    beside_victim = []

    def kill():
        beside_victim.extend(looking.sidecars(victim["place"]))
        os.kill(victim["pid"], signal.SIGKILL)

    killer = amid("killed", kill)
    save(spark, "killed", slow.toPandas)
    killer.join()
    found["n_beside_victim"] = len(beside_victim)
    found["victim_gone_s"] = looking.wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in beside_victim), 15
    )
    found["replaced_s"] = looking.wait_until(lambda: len(executors(application)) == 2, 30)
    found["after"] = executors(application)

    def barrier(rows):
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        n_tasks = len(context.getTaskInfos())
        assert n_tasks == 4
        context.barrier()
        yield from rows
        context.barrier()

    four = scored(spark, n_partitions=4)
    save(
        spark,
        "barrier",
        lambda: as_frame(spark, four, lambda r: r.barrier().mapPartitions(barrier)),
    )
    quick = scored(spark)
    both_cores = ResourceProfileBuilder().require(TaskResourceRequests().cpus(2)).build
    save(spark, "cpus", lambda: as_frame(spark, quick, lambda r: r.withResources(both_cores)))
    spark.stop()
    found["fixed_gone_s"] = looking.wait_until(lambda: not looking.sidecars(folder), 15)


def with_dynamic_allocation(cluster):
    """Executors come when tasks wait and go when they are idle; a host of theirs goes away."""
    spark = begin(
        cluster,
        "dynamic",
        **{
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.minExecutors": "0",
            "spark.dynamicAllocation.initialExecutors": "1",
            "spark.dynamicAllocation.executorIdleTimeout": "4s",
            "spark.dynamicAllocation.schedulerBacklogTimeout": "1s",
            "spark.decommission.enabled": "true",
            "spark.storage.decommission.enabled": "true",
            "spark.storage.decommission.shuffleBlocks.enabled": "true",
        },
    )
    application = spark.sparkContext.applicationId
    save(spark, "grown", scored(spark, "slow_pipeline").toPandas)
    found["idle_s"] = looking.wait_until(lambda: not executors(application), 40)
    found["idle_gone_s"] = looking.wait_until(lambda: not looking.sidecars(folder), 15)

    small = ExecutorResourceRequests().memory("600m").cores(1)
    one_core = ResourceProfileBuilder().require(small).require(TaskResourceRequests().cpus(1)).build
    quick = scored(spark)
    save(spark, "profile", lambda: as_frame(spark, quick, lambda r: r.withResources(one_core)))

    def decommission():
        found["leaving"] = [
            one for one in executors(application).values() if one["host"] == HOSTS[0]
        ]
        found["left"] = time.time()
        cluster.decommission(HOSTS[0])

    leaver = amid("decommissioned", decommission)
    save(spark, "decommissioned", scored(spark, "slow_pipeline").toPandas)
    leaver.join()

    def is_gone():
        return not any(looking.sidecars(one["place"]) for one in found["leaving"])

    found["leaving_gone_s"] = looking.wait_until(is_gone, 30)
    found["n_alive"] = cluster.n_alive()
    spark.stop()
    found["dynamic_gone_s"] = looking.wait_until(lambda: not looking.sidecars(folder), 15)


try:
    decommissioning = {"spark.decommission.enabled": "true"}
    with StandaloneCluster(folder, arguments["ports"], decommissioning) as standalone:
        found["is_up"] = standalone.is_up
        with_kill(standalone)
        with_dynamic_allocation(standalone)
finally:
    (out / "findings.json").write_text(json.dumps(found))
