"""Scores over Spark Connect, in a server that this client starts."""

import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_table, score_udf
from dai_spark.driver.spark_errors.telling import kind_of, said_by
from dai_spark.errors import ColumnError

out = Path(arguments["out"])
files = {"env": arguments["env"], "license_file": arguments["license_file"]}
found = {"logs": {}}


def logs():
    """How often each sidecar of the server has constructed a scorer."""
    paths = Path(arguments["folder"], "local").rglob("dai_spark-sidecar-*.log")
    return {str(path): path.read_text().count("Scorer() constructed") for path in paths}


def save(frame, name):
    frame = frame.select("flight_id", "prediction.*").toPandas()
    # Connect hangs the query's metrics on, which pandas cannot write.
    frame.attrs.clear()
    frame.to_parquet(out / f"{name}.parquet")


spark = (
    SparkSession.builder.remote("local[2]")
    .config("spark.driver.memory", "1g")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.warehouse.dir", str(out / "warehouse"))
    .getOrCreate()
)
found["session"] = type(spark).__module__
flights = spark.read.parquet(arguments["flights"]).repartition(4)

score = score_udf(arguments["pipeline"], **files)
save(flights.withColumn("prediction", score()), "arrow")
found["logs"]["arrow"] = logs()
found["metrics"] = score.metrics()
again = score_udf(arguments["pipeline"], udf_type="pandas", **files)
save(flights.withColumn("prediction", again(F.struct("*"))), "pandas")
found["logs"]["pandas"] = logs()
spark.udf.register("score", score)
flights.createOrReplaceTempView("flights")
save(spark.sql("SELECT flight_id, score(struct(*)) AS prediction FROM flights"), "sql")
save(score_dataframe(flights, arguments["pipeline"], keep=["flight_id"], **files), "dataframe")
said = []
words = {**files, "on_message": said.append}
plain = spark.read.parquet(arguments["flights"])
named = plain.withColumnRenamed("flight_id", "flight_id")
save(score_dataframe(plain, arguments["pipeline"], keep=["flight_id"], **words), "files")
score_dataframe(plain.where("flight_id > 0"), arguments["pipeline"], **words)
score_dataframe(named, arguments["pipeline"], **words)
plain.cache().count()
score_dataframe(plain, arguments["pipeline"], **words)
plain.unpersist()
plain.write.partitionBy("month").parquet(str(out / "by_month"))
by_month = spark.read.parquet(str(out / "by_month"))
score_dataframe(by_month, arguments["pipeline"], **words)
found["readings"] = [text for text in said if "read" in text and "scorer" not in text]

tables = {"source": f"parquet:{arguments['flights']}", "target": f"parquet:{out / 'scores'}"}
dry = score_table(arguments["pipeline"], dry_run=True, keep=["flight_id"], **tables, **files)
found["dry_run"] = {"preview": dry.preview, "wrote": (out / "scores").exists()}
words = {"keep": ["flight_id"], "key": ["flight_id"], **files}
report = score_table(arguments["pipeline"], **tables, **words)
found["n_rows"] = report.n_rows
found["checks"] = {check.what: check.found for check in report.checks}
save(spark.read.parquet(str(out / "scores")), "table")
found["logs"]["all"] = logs()


plain.union(plain.where("flight_id < 4")).write.parquet(str(out / "twice"))
try:
    tables = {"source": f"parquet:{out / 'twice'}", "target": f"parquet:{out / 'none'}"}
    score_table(arguments["pipeline"], **tables, **words)
except ColumnError as error:
    found["twice"] = error.message


def said(action):
    """What a user reads of what Spark raises."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - told to the test
        return [kind_of(error), said_by(error)]
    return None


spark.range(1).write.parquet(str(out / "damaged"))
for path in (out / "damaged").glob("*part-*"):
    path.unlink() if path.suffix == ".crc" else path.write_bytes(b"no file of this format at all")
damaged = spark.read.schema("id long").parquet(str(out / "damaged"))
found["errors"] = [
    said(lambda: spark.table("nowhere.t").collect()),
    said(lambda: spark.sql("SELECT cast('a' AS int)").collect()),
    said(damaged.collect),
]
(out / "findings.json").write_text(json.dumps(found))
