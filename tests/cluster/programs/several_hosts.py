"""A driver on one of several hosts: it scores, fails, and waits while somebody looks at them."""

import json
import sys
import time
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking
import pandas as pd
from pyspark.sql import SparkSession

from dai_spark import errors, score_dataframe, score_table

out = Path(arguments["out"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
found = {"told": {}}

builder = SparkSession.builder.master(arguments["master"]).appName("several hosts")
for key, value in {
    "spark.driver.host": "driver",
    "spark.driver.memory": "512m",
    "spark.executor.memory": "512m",
    # Two executors on each host.
    "spark.executor.cores": "1",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "60s",
    "spark.locality.wait": "0s",
    "spark.task.maxFailures": "1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # A file is a partition.
    "spark.sql.files.openCostInBytes": "128m",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.dir": out.as_uri(),
}.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
flights = spark.read.parquet(arguments["flights"])


def pause(name):
    """Say how far it has come, and wait until somebody has looked."""
    print(name, flush=True)
    looking.wait_until(lambda: (out / f"{name}.seen").exists(), 120)


def scored(pipeline="pipeline", rows=flights, **words):
    words = {**files, "batch_rows": 100, **words}
    return score_dataframe(rows, arguments[pipeline], keep=["flight_id"], **words)


def told(name, action):
    """What a user reads, and after how many seconds."""
    spark.sparkContext.setJobGroup(name, name)
    begun = time.monotonic()
    try:
        action()
        text = None
    except Exception as error:  # noqa: BLE001 - told to the test
        ours = errors.from_spark(error) or error
        text = f"{type(ours).__name__}: {getattr(ours, 'message', ours)}"
    found["told"][name] = [text, time.monotonic() - begun]
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    return text


found["n_partitions"] = flights.rdd.getNumPartitions()
scored().select("flight_id", "prediction.*").toPandas().to_parquet(out / "dataframe.parquet")
pause("scored")

job = {"source": f"parquet:{arguments['flights']}", "target": f"parquet:{arguments['target']}"}
report = score_table(
    arguments["pipeline"], keep=["flight_id"], mode="append", progress=False, **job, **files
)
found["n_rows"], found["reading"] = report.n_rows, report.reading
rows = spark.read.parquet(arguments["target"]).select("flight_id", "prediction.*")
rows.toPandas().to_parquet(out / "table.parquet")

plan = scored(read="files")
changed = next(Path(arguments["flights"]).glob("3*.parquet"))
table = pd.read_parquet(changed)
table.iloc[::-1].to_parquet(changed)
told("changed file", plan.toPandas)

marked = spark.read.parquet(arguments["marked"])
told("raised", scored("failing_pipeline", marked).toPandas)
for number in range(12):
    told(f"load {number}", lambda: scored("broken_pipeline"))

for name in ("musl", "newer"):
    told(name, lambda name=name: scored(env=arguments["envs"][name]).toPandas())
# A probe asks one executor, of whichever host: it is to be the one that can.
half = []
for number in range(20):
    told(f"probe {number}", lambda: half.append(scored(env=arguments["envs"]["half"])))
    if half:
        break
told("half", half[0].toPandas)

pause("used")
scored("idle_pipeline", idle_timeout_s=12).toPandas()
pause("idle")
spark.stop()
pause("stopped")
(out / "findings.json").write_text(json.dumps(found))
