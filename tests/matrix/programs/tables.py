"""Scores tables of Delta and Iceberg by the table job, where a lane has their jars."""

import tempfile
from pathlib import Path

import session
from smoke import Smoke, arguments

from dai_spark import score_dataframe, score_table

given = arguments()
smoke = Smoke(given)
folder = Path(tempfile.mkdtemp())
pipeline = given["pipeline"]
files = {"env": given["env"], "license_file": given["license_file"]}
spark = session.begin(given, smoke, folder)
flights = spark.read.parquet(given["flights"])


def rows(frame):
    """Keys and scores of a scored frame."""
    return session.rows(frame, smoke.columns)


def job(source, target, **words):
    """A run of the table job."""
    told = {"keep": ["flight_id"], "spark": spark, "progress": False, **files, **words}
    return score_table(pipeline, source=source, target=target, **told)


class Delta:
    """Tables of files, by their path."""

    name = "Delta"
    source = f"delta:{folder}/flights"

    @staticmethod
    def make():
        """Write the flights as a table of two files."""
        flights.repartition(2).write.format("delta").save(f"{folder}/flights")

    @staticmethod
    def target(name):
        """What a target is called."""
        return f"delta:{folder}/{name}"

    @staticmethod
    def read(name):
        """A table's rows."""
        return spark.read.format("delta").load(f"{folder}/{name}")


class Iceberg:
    """Tables of a catalog."""

    name = "Iceberg"
    source = "ice.db.flights"

    @staticmethod
    def make():
        """Write the flights as a table of two files."""
        spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
        flights.repartition(2).writeTo("ice.db.flights").using("iceberg").create()

    @staticmethod
    def target(name):
        """What a target is called."""
        return f"ice.db.{name}"

    @staticmethod
    def read(name):
        """A table's rows."""
        return spark.table(f"ice.db.{name}")


def into_new(kind):
    """The whole table into one that there is not."""

    def score():
        job(kind.source, kind.target("new"))
        return rows(kind.read("new"))

    return score


def half(kind, name, **words):
    """Score half of the rows."""
    job(kind.source, kind.target(name), where="month < 7", **words)
    n_rows = kind.read(name).count()
    assert 0 < n_rows < len(smoke.keys), n_rows


def merged(kind):
    """Half of the rows, then all of them by their key, then the same run once more."""

    def score():
        words = {"mode": "merge", "key": ["flight_id"]}
        half(kind, "merged", **words)
        for _ in range(2):
            job(kind.source, kind.target("merged"), **words)
        return rows(kind.read("merged"))

    return score


def missing(kind):
    """Half of the rows, then those that the target lacks."""

    def score():
        words = {"mode": "append", "key": ["flight_id"], "incremental": "missing"}
        half(kind, "missing", **words)
        job(kind.source, kind.target("missing"), **words)
        return rows(kind.read("missing"))

    return score


def by_reading_files():
    """Tasks read the files of a table of Delta's."""
    frame = Delta.read("flights")
    return rows(score_dataframe(frame, pipeline, keep=["flight_id"], read="files", **files))


for kind in (Delta, Iceberg):
    if kind.name in given["formats"]:
        kind.make()
        smoke.way(f"{kind.name}: table job", into_new(kind))
        smoke.way(f"{kind.name}: merge", merged(kind))
        smoke.way(f"{kind.name}: what is missing", missing(kind))
smoke.way("Delta: DataFrame, tasks read", by_reading_files)
smoke.end()
spark.stop()
