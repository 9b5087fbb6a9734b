"""Injects fault after fault into one application, and writes what the user got and what was left.

What a job's attempts died of is in Spark's event log, by the fault's name (the job group).
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

from dai_spark import score_dataframe
from dai_spark.driver.dataframe import scored_frame
from dai_spark.driver.prepare import prepare
from dai_spark.driver.ship import ship_file, ship_package
from dai_spark.errors import from_spark
from dai_spark.local.local_plan import no_uri
from dai_spark.plan.request import ScoringRequest

out, folder = Path(arguments["out"]), Path(arguments["folder"])
uses_daemon = arguments["use_daemon"] == "true"
# What must be gone "within a few seconds" is waited for at most so long.
FEW_S = 10
n_executors, n_cores = 2, 2 if uses_daemon else 1
n_slots = n_executors * n_cores
found = {"faults": {}}


def tell(text):
    print(text, flush=True)


def plan_of(name, described, license_file=arguments["license_file"], **options):
    """The plan of one of the exports; `described` spares it the probe, as a memory of it would."""
    path = arguments["exports"][name]
    request = ScoringRequest.of(
        path, arguments["env"], None, str(license_file), None, options, no_uri, no_uri
    )

    def ship(path, digest, ending, label):
        return ship_file(spark, path, digest, ending, label, tell)

    return request.plan(ship).with_description(described)


def mark(frame):
    name = F.when(F.col("flight_id") == arguments["marked"], arguments["mark"])
    return frame.withColumn("carrier", name.otherwise(F.col("carrier")))


def sidecars():
    """The sidecars' process ids, by their run folders."""
    seen = looking.sidecars(folder)
    return {where: pid for pid, (is_sidecar, where) in seen.items() if is_sidecar}


def no_scorers(key):
    """No scorer process of a pipeline, no folder of one, no process that nobody asked for.

    Jobs of other pipelines may be at work meanwhile.
    """
    seen = {pid: one for pid, one in looking.sidecars(folder).items() if Path(one[1]).name == key}
    return (
        all(is_sidecar for is_sidecar, _ in seen.values())
        and not any(key in path.parts for path in looking.scorer_folders(folder / "local"))
        and not looking.zombies(seen)
    )


def job(name, frame, plan, disturb=None):
    """Run one job, with a fault in it, and note what came of it."""
    told = found["faults"][name] = {
        "pipeline": plan.pipeline.label,
        "key": plan.key(plan.license)[:20],
        "before": sidecars(),
    }
    spark.sparkContext.setJobGroup(name, name, interruptOnCancel=False)
    disturber = threading.Thread(target=disturb, args=(told,)) if disturb else None
    begun = time.time()
    if disturber:
        disturber.start()
    try:
        scored = scored_frame(frame, plan, ["flight_id"], "prediction", tell)
        scored.select("flight_id", "prediction.*").toPandas().to_parquet(out / f"{name}.parquet")
    except Exception as error:  # noqa: BLE001 - it is what the user reads
        typed = from_spark(error)
        told["read"] = str(error)
        told["error"] = typed and [type(typed).__name__, typed.message, typed.details]
    told["ended"] = time.time()
    if disturber:
        disturber.join(60)
    told["gone_s"] = looking.wait_until(lambda: no_scorers(told["key"]), FEW_S)
    told["after"] = sidecars()
    told["seconds"] = told["ended"] - begun
    tell(f"{name}: {told['seconds']:.1f} s, gone after {told['gone_s']}")


# -- faults of processes -----------------------------------------------------------------------


def once_scoring(act):
    """A disturber: waits until a scorer has a batch, and acts on its executor's processes."""

    def disturb(told):
        local = folder / "local"
        told["waited_s"] = looking.wait_until(lambda: looking.scorer_at_work(local), 60)
        scorer = looking.scorer_at_work(local)
        # <place>/dai_spark-<uid>/<key>/scorer-<n>
        told["hit"] = act(scorer.parents[2], scorer)
        told["hit_at"] = time.time()

    return disturb


def kill(pids, number=signal.SIGKILL):
    for pid in pids:
        os.kill(pid, number)
    return sorted(pids)


def kill_sidecars(place=folder, scorer=None):
    seen = looking.sidecars(place).items()
    return kill([pid for pid, (is_sidecar, _) in seen if is_sidecar])


def kill_the_scorer(place, scorer):
    seen = looking.sidecars(place)
    return kill([pid for pid in seen if Path(f"/proc/{pid}/cwd").readlink() == scorer])


def kill_workers(place, scorer):
    workers = looking.python_workers(place)
    # A daemon is its workers' parent; the executor's Java is, where there is none.
    return kill([pid for pid in workers if pid not in workers.values()])


def hit_daemons(number):
    def act(place, scorer):
        workers = looking.python_workers(place)
        return kill({parent for parent in workers.values() if parent in workers}, number)

    return act


def kill_the_executor(place, scorer):
    return kill({looking.java_above(pid) for pid in looking.python_workers(place)})


def cancel(place, scorer):
    spark.sparkContext.cancelJobGroup("cancelled")


def process_faults():
    slow = plan_of("slow", described, batch_rows=25)
    job("sidecar_killed", flights, slow, once_scoring(kill_sidecars))
    job("worker_killed", flights, slow, once_scoring(kill_workers))
    if uses_daemon:
        kill_sidecars()
        job("sidecar_killed_idle", flights, slow)
        job("scorer_killed", flights, slow, once_scoring(kill_the_scorer))
        job("daemon_terminated", flights, slow, once_scoring(hit_daemons(signal.SIGTERM)))
        job("daemon_killed", flights, slow, once_scoring(hit_daemons(signal.SIGKILL)))
    else:
        job("executor_killed", flights, slow, once_scoring(kill_the_executor))
    job("cancelled", flights, slow, once_scoring(cancel))
    if uses_daemon:
        job("after_all", flights, slow)


# -- faults of pipelines -----------------------------------------------------------------------


def timed_start(plan):
    """The body of a task that asks twice for a scorer, and tells how soon it was refused again."""

    def ask(batches):
        import json
        import time

        import pyarrow

        from dai_spark.client.udf_bodies import describe_here

        for _ in batches:
            describe_here(plan)
            begun = time.perf_counter()
            answer = describe_here(plan)
            answer["seconds"] = time.perf_counter() - begun
            text = pyarrow.array([json.dumps(answer)])
            yield pyarrow.RecordBatch.from_arrays([text], names=["answer"])

    return ask


def refused_start(name, export, license_file):
    """A pipeline that does not come up: a job, then single starts, then the probe of a new one."""
    plan = plan_of(export, described, license_file)
    job(name, flights.coalesce(1), plan)
    told = found["faults"][name]
    rows = spark.range(0, 2, 1, 2).mapInArrow(timed_start(plan), "answer string").collect()
    told["starts"] = [json.loads(row["answer"]) for row in rows]
    begun = time.time()
    try:
        path, env = arguments["exports"][export], arguments["env"]
        score_dataframe(flights, path, env, license_file=str(license_file), on_message=tell)
    except Exception as error:  # noqa: BLE001 - it is what the user reads
        told["probe"] = [type(error).__name__, str(error), repr(error.__cause__)]
    told["probe_s"] = time.time() - begun


def pipeline_faults():
    refused_start("raise_in_load", "raise_in_load", arguments["license_file"])
    refused_start("bad_license", "slow", arguments["bad_license_file"])
    marked = mark(flights.coalesce(1))
    # All at once: what one pipeline does must not reach another's jobs.
    limits = {"hang_in_load": {"start_timeout_s": 1.5}, "hang_in_score": {"batch_timeout_s": 1.5}}
    jobs = [
        threading.Thread(
            target=job,
            args=(name, marked, plan_of(name, described, batch_rows=50, **limits.get(name, {}))),
        )
        for name in arguments["exports"]
        if name not in ("slow", "raise_in_load")
    ]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join()


spark = (
    SparkSession.builder.master(f"local-cluster[{n_executors},{n_cores},1024]")
    .appName("faults")
    .config("spark.python.use.daemon", arguments["use_daemon"])
    # Without a daemon Spark gives every new worker 10 s to answer, which a busy machine may pass.
    .config("spark.task.maxFailures", "4" if uses_daemon else "8")
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
    .config("spark.eventLog.enabled", "true")
    .config("spark.eventLog.compress", "false")
    .config("spark.eventLog.rolling.enabled", "false")
    .config("spark.eventLog.dir", out.as_uri())
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
flights = spark.read.parquet(arguments["flights"]).coalesce(n_slots)
found["n_partitions"] = flights.rdd.getNumPartitions()
ship_package(spark)

request = ScoringRequest.of(
    arguments["exports"]["slow"],
    arguments["env"],
    None,
    arguments["license_file"],
    None,
    {},
    no_uri,
    no_uri,
)
described = prepare(spark, request, tell).described
begun = time.time()
if uses_daemon:
    pipeline_faults()
process_faults()
found["seconds"] = time.time() - begun

# -- the end of the application in the middle of a job -----------------------------------------


def stop(place, scorer):
    found["stopping"] = len(looking.sidecars(folder))
    spark.stop()
    found["stopped_gone_s"] = looking.wait_until(lambda: not looking.sidecars(folder), 15)


last = plan_of("slow", described, batch_rows=5)
(out / "findings.json").write_text(json.dumps(found))
tell("the last job begins")
job("stopped", flights, last, once_scoring(stop) if uses_daemon else None)
tell("the last job has ended")
found["local"] = [str(p) for p in (folder / "local").rglob("*dai_spark*")]
(out / "findings.json").write_text(json.dumps(found))
