"""YARN whose containers are control groups: one pipeline fits into its container, one does not."""

import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import looking
from pyspark.sql import SparkSession

from dai_spark import errors, score_dataframe

files = {"env": arguments["env"], "license_file": arguments["license_file"]}
cluster, groups = Path(arguments["cluster"]), Path(arguments["groups"])
found = {"messages": []}

builder = SparkSession.builder.master("yarn").appName("yarn groups")
for name, value in arguments["settings"].items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
flights = spark.read.parquet(arguments["flights"]).limit(1000).coalesce(1)


def score(name):
    frame = score_dataframe(
        flights,
        arguments[name],
        keep=["flight_id"],
        on_message=found["messages"].append,
        start_timeout_s=120,
        **files,
    )
    return frame.count()


found["small"] = score("pipeline")
found["sidecars"] = sorted(looking.sidecars(cluster))
found["in_groups"] = sorted(
    int(pid) for path in groups.glob("container_*/cgroup.procs") for pid in path.read_text().split()
)
try:
    found["large"] = score("large_pipeline")
except Exception as error:  # noqa: BLE001 - told to the test
    ours = errors.from_spark(error) or error
    found["large"] = f"{type(ours).__name__}: {getattr(ours, 'message', ours)}"
found["again"] = score("pipeline")
spark.stop()
found["gone_s"] = looking.wait_until(lambda: not looking.sidecars(cluster), 30)
Path(arguments["out"], "findings.json").write_text(json.dumps(found))
