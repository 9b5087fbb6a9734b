"""Runs the table job, again and to another table, then one that fails; keeps all that is seen."""

import collections
import contextlib
import io
import json
import re
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession

from dai_spark import score_udf
from dai_spark.cli import main

out = Path(arguments["out"])
found = {"jobs": {}}
command_lines = set()
done = threading.Event()


def watch_command_lines():
    # A process may become another program once it has begun, so it is looked at for a second.
    n_looks = collections.Counter()
    while not done.wait(0.05):
        for process in Path("/proc").glob("[0-9]*"):
            if n_looks[process.name] < 20:
                n_looks[process.name] += 1
                with contextlib.suppress(OSError):
                    command_lines.add((process / "cmdline").read_bytes())


def job(name, *words, pipeline="pipeline", source=arguments["flights"]):
    printed = io.StringIO()
    told = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
        files = ["--env", arguments["env"], "--license-file", arguments["license_file"]]
        tables = ["--source", f"parquet:{source}"]
        status = main(["score-table", "--pipeline", arguments[pipeline], *files, *tables, *words])
    found["jobs"][name] = {"status": status, "out": printed.getvalue(), "err": told.getvalue()}


def describe(name, frame):
    found["jobs"][name]["columns"] = frame.columns
    found["jobs"][name]["n_rows"] = frame.count()


def save(name, frame):
    frame.select("flight_id", "prediction.*").toPandas().to_parquet(out / f"{name}.parquet")


def keep_pages(url, application):
    """Every page of the UI that can be reached from another, and the REST interface."""
    folder = out / "pages"
    folder.mkdir()
    api = f"/api/v1/applications/{application}"
    ways = ["environment", "jobs", "stages?details=true", "allexecutors", "storage/rdd"]
    wanted = ["/", *(f"{api}/{way}" for way in ways)]
    wanted.append(f"{api}/sql?details=true&planDescription=true&length=1000")
    seen = set(wanted)
    while wanted:
        path = wanted.pop()
        try:
            with urllib.request.urlopen(url + path, timeout=20) as answer:
                text = answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            text = f"{error.code}"
        name = f"{len(seen)}-{re.sub('[^a-zA-Z0-9]+', '-', path)}"[:80]
        (folder / name).write_text(f"{path}\n{text}")
        for link in re.findall(r'href="(/[^"#]*)"', text):
            link = link.replace("&amp;", "&")
            known = link in seen or "kill" in link or link.startswith("/static")
            # Thread dumps of executors and sorted copies of a page tell nothing new.
            if not known and "threadDump" not in link and ".sort" not in link and len(seen) < 150:
                seen.add(link)
                wanted.append(link)


(out / "events").mkdir()
threading.Thread(target=watch_command_lines, daemon=True).start()
spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]")
    .appName(arguments["name"])
    .config("spark.driver.memory", "512m")
    .config("spark.executor.memory", "512m")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.eventLog.enabled", "true")
    .config("spark.eventLog.compress", "false")
    .config("spark.eventLog.dir", (out / "events").as_uri())
    .config("spark.sql.warehouse.dir", str(out / "warehouse"))
    .getOrCreate()
)
flights = spark.read.parquet(arguments["flights"])
found["application"] = spark.sparkContext.applicationId

# -- jobs that go well -------------------------------------------------------------------------

target = ["--target", f"parquet:{out / 'scores'}", "--keep", "flight_id"]
job("dry_run", *target, "--dry-run")
found["jobs"]["dry_run"]["wrote"] = (out / "scores").exists()
job("first", *target)
describe("first", spark.read.parquet(str(out / "scores")))
job("again", *target)
job("other", *target, "--run-id", "other")
job("table", "--target", "scored_flights", "--keep", "flight_id,carrier", "--json")
describe("table", spark.table("scored_flights"))
save("table", spark.table("scored_flights"))
job("table_again", "--target", "scored_flights", "--run-id", "other")

# -- a job that fails --------------------------------------------------------------------------

marked = out / "marked"
few_rows = flights.limit(200).toPandas()
few_rows.loc[7, "carrier"] = arguments["mark"]
spark.createDataFrame(few_rows).write.parquet(str(marked))
job("failing", "--target", "failed", "--verbose", pipeline="failing_pipeline", source=marked)
try:
    score = score_udf(
        arguments["failing_pipeline"],
        env=arguments["env"],
        license=Path(arguments["license_file"]).read_text(),
    )
    spark.read.parquet(str(marked)).withColumn("prediction", score()).toPandas()
except Exception as error:  # noqa: BLE001 - its text is what is looked at
    found["error"] = f"{error!r}\n{error}\n{error.__dict__}"

# -- what an operator sees ---------------------------------------------------------------------

context = spark.sparkContext
found["conf"] = sorted(map(list, context.getConf().getAll()))
found["sql_conf"] = [list(row) for row in spark.sql("SET -v").collect()]
keep_pages(context.uiWebUrl, context.applicationId)
spark.stop()
done.set()
found["command_lines"] = sorted(line.decode("utf-8", "replace") for line in command_lines)
(out / "findings.json").write_text(json.dumps(found, default=str))
