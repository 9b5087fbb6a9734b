"""Scores a table of flights by each way into Spark, in a classic session or over Connect."""

import tempfile
from pathlib import Path

import session
from pyspark.sql import functions as F
from smoke import Smoke, arguments

from dai_spark import score_dataframe, score_table, score_udf

given = arguments()
is_connect = given["api"] == "connect"
smoke = Smoke(given)
folder = Path(tempfile.mkdtemp())
pipeline = given["pipeline"]
files = {"env": given["env"], "license_file": given["license_file"]}

spark = session.begin(given, smoke, folder)
flights = spark.read.parquet(given["flights"]).repartition(2)


def rows(frame):
    """Keys and scores of a scored frame."""
    return session.rows(frame, smoke.columns)


def scored_by(udf_type, *columns, by_columns=False):
    """The flights with the column of a `score_udf`; `columns` is what it is called with."""

    def score():
        made = score_udf(pipeline, udf_type=udf_type, spark=spark, **files)
        words = made.column_names if by_columns else columns
        return rows(flights.withColumn("prediction", made(*words)))

    return score


def in_sql():
    """A registered function in a query."""
    spark.udf.register("score", score_udf(pipeline, spark=spark, **files))
    flights.createOrReplaceTempView("flights")
    return rows(spark.sql("SELECT flight_id, score(struct(*)) AS prediction FROM flights"))


def by_dataframe():
    """A DataFrame in, one out."""
    return rows(score_dataframe(flights, pipeline, keep=["flight_id"], **files))


def by_reading_files():
    """Tasks read the table's files, with nothing of Spark's between."""
    table = spark.read.parquet(given["flights"])
    return rows(score_dataframe(table, pipeline, keep=["flight_id"], read="files", **files))


def by_table_job():
    """A table into a table."""
    target = str(folder / "scores")
    tables = {"source": f"parquet:{given['flights']}", "target": f"parquet:{target}"}
    score_table(pipeline, keep=["flight_id"], spark=spark, progress=False, **tables, **files)
    return rows(spark.read.parquet(target))


def worker_memory():
    """The limit that Spark sets in its Python workers, in bytes; -1 without one."""
    import resource

    return spark.range(1).rdd.map(lambda _: resource.getrlimit(resource.RLIMIT_AS)[0]).first()


if "spark.executor.pyspark.memory" in given["settings"]:
    assert worker_memory() > 0, "The setting has set no limit, so that this lane shows nothing."
at = "Connect: " if is_connect else ""
if is_connect:
    smoke.way(f"{at}UDF", scored_by(None))
else:
    kinds = ["pandas"] + (["arrow"] if given["has_arrow_udfs"] else [])
    for kind in kinds:
        smoke.way(f"{kind} UDF by name", scored_by(kind))
        smoke.way(f"{kind} UDF by struct", scored_by(kind, F.struct("*")))
        smoke.way(f"{kind} UDF by columns", scored_by(kind, by_columns=True))
smoke.way(f"{at}SQL", in_sql)
smoke.way(f"{at}DataFrame", by_dataframe)
if given["tasks_read"]:
    smoke.way(f"{at}DataFrame, tasks read", by_reading_files)
smoke.way(f"{at}table job", by_table_job)
smoke.end()
spark.stop()
