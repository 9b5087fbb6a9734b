"""An executor that is killed, a job that is cancelled, and a JVM that ends: what Spark raises."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark.driver.spark_errors.telling import kind_of, said_by, telling
from dai_spark.errors import TableJobError

spark = (
    SparkSession.builder.master("local-cluster[1,1,1024]")
    .appName("lost")
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.task.maxFailures", "1")
    .getOrCreate()
)
context = spark.sparkContext
context.setLogLevel("OFF")


def kills_its_executor(value):
    """Kill the JVM above the Python worker and its daemon."""
    pid = os.getpid()
    while "java" not in Path(f"/proc/{pid}/comm").read_text():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)
    return value


def waits(value):
    """Take longer than anybody waits."""
    import time

    time.sleep(60)
    return value


def told(action):
    """The rule, the clause, and the error of ours."""
    try:
        with telling("The rows cannot be counted"):
            action()
    except TableJobError as error:
        return [kind_of(error.__cause__), said_by(error.__cause__), error.message]
    return None


found = {"executor": told(context.range(1).map(kills_its_executor).count)}
threading.Timer(3, context.cancelAllJobs).start()
found["cancelled"] = told(context.range(1).map(waits).count)
gateway = context._gateway
os.kill(gateway.proc.pid, signal.SIGKILL)
gateway.proc.wait()
found["driver"] = told(lambda: spark.range(1).count())
Path(arguments["out"], "findings.json").write_text(json.dumps(found))
# What pyspark would do at the end it would do to the JVM.
os._exit(0)
