"""Sessions of a Connect server apart, one after another, each of which scores and ends."""

import contextlib
import json
import stat
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark import score_dataframe

files = {"env": arguments["env"], "license_file": arguments["license_file"]}


def held_bytes():
    """What the server and its executors hold of large files, names of one file counted once."""
    found = {}
    for path in Path(arguments["server_folder"]).rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size > 1 << 20:
                found[status.st_ino] = status.st_size
    return sum(found.values())


found = {"sessions": []}
for _ in range(arguments["n_sessions"]):
    spark = SparkSession.builder.remote(arguments["server"]).create()
    frame = spark.read.parquet(arguments["flights"]).repartition(4)
    scored = score_dataframe(frame, arguments["pipeline"], keep=["flight_id"], **files)
    n_rows = scored.where("prediction is not null").count()
    spark.stop()
    found["sessions"].append({"n_rows": n_rows, "held_bytes": held_bytes()})
Path(arguments["out"], "findings.json").write_text(json.dumps(found))
