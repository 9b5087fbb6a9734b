"""Standalone workers in a control group that bounds memory: what the kernel kills, who says so."""

import contextlib
import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking
from pyspark.sql import SparkSession
from standalone_cluster import StandaloneCluster, executors

from dai_spark import errors, score_dataframe, score_table
from dai_spark.driver.spark_errors.telling import said_by

out, folder = Path(arguments["out"]), Path(arguments["folder"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
found = {}


def session(cluster):
    builder = SparkSession.builder.master(cluster.url).appName("memory kills")
    for key, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.cores.max": "1",
        "spark.task.maxFailures": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def python_workers(executor):
    """Spark's Python processes below an executor."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_one = b"-m\0pyspark." in (process / "cmdline").read_bytes()
            if is_one and looking.java_above(int(process.name)) == executor:
                found.append(int(process.name))
    return found


def said(action):
    """What a user reads of ours, or else of Spark's."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - told to the test
        ours = errors.from_spark(error) or error
        text = ours.message if isinstance(ours, errors.DaiSparkError) else said_by(error)
        return f"{type(ours).__name__}: {text}"


with StandaloneCluster(folder, arguments["ports"], cores=1) as standalone:
    for worker in standalone.workers.values():
        Path(arguments["group"]).write_text(str(worker.pid))
    spark = session(standalone)
    spark.sparkContext.setLogLevel("OFF")
    application = spark.sparkContext.applicationId

    def score(text):
        rows = spark.createDataFrame([(1.0, None), (2.0, text)], "number float, text string")
        scored = score_dataframe(rows.coalesce(1), arguments["pipeline"], **files)
        return [row["prediction"]["y"] for row in scored.collect()]

    def score_a_table(text):
        rows = spark.createDataFrame([(1.0, text)], "number float, text string")
        rows.write.mode("overwrite").parquet(str(out / "rows"))
        tables = {"source": f"parquet:{out}/rows", "target": f"parquet:{out}/scores"}
        return score_table(arguments["pipeline"], **tables, **files, progress=False).n_rows

    found["right"] = score(None)
    before = looking.sidecars(folder)
    found["scorer"] = said(lambda: score(arguments["hungry"]))
    found["again"] = score(None)
    found["same_sidecar"] = {p for p, (is_one, _) in before.items() if is_one} <= set(
        looking.sidecars(folder)
    )
    found["left_by_itself"] = said(lambda: score("os._exit(70)"))
    (first,) = (one["pid"] for one in executors(application).values())
    # Whom the kernel is to take, as it does where that is the largest.
    for pid in python_workers(first):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    found["worker"] = said(lambda: score_a_table(arguments["hungry"]))
    # Spark asks the daemon once more that was killed with its workers.
    looking.wait_until(lambda: said(lambda: score(None)) == found["right"], 60)
    Path(f"/proc/{first}/oom_score_adj").write_text("1000")
    found["executor"] = said(lambda: score_a_table(arguments["hungry"]))
    found["executor_gone"] = not Path(f"/proc/{first}").exists()
    spark.stop()
    found["gone_s"] = looking.wait_until(lambda: not looking.sidecars(folder), 15)
(out / "findings.json").write_text(json.dumps(found))
