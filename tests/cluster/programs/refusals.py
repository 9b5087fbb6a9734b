"""Runs jobs/score_table.py once for each way in which it can be refused, as spark-submit would.

Java writes to the same standard error as Python, so a line before and after each run tells which
lines are whose.
"""

import json
import runpy
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

script = Path(arguments["repo"], "jobs", "score_table.py")
spark = (
    SparkSession.builder.master("local[2]")
    .appName("refusals")
    .config("spark.driver.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
statuses = {}
for name, words in arguments["runs"].items():
    print(f"<<<{name}", file=sys.stderr, flush=True)
    sys.argv = [str(script), *words]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as leave:
        statuses[name] = leave.code
    print(f">>>{name}", file=sys.stderr, flush=True)
Path(arguments["out"], "findings.json").write_text(json.dumps(statuses))
