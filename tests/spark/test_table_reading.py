"""The table job whose tasks read the source's files: the same target, and a report that says so."""

import uuid

import pytest
from linear import build_linear
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.errors import OptionError


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A pipeline whose prediction is twice its input; rows with x below 0 cannot be scored."""
    return build_linear(tmp_path_factory.mktemp("line") / "line.zip", weight=2)


@pytest.fixture
def run(spark, line, with_scorer, tmp_path):
    """A function that scores a source into a target of its own, and both."""

    def score(source, **words):
        target = f"parquet:{tmp_path}/target-{len(list(tmp_path.iterdir()))}"
        report = score_table(
            line, **with_scorer, source=source, target=target, spark=spark, progress=False, **words
        )
        frame = spark.read.parquet(target.partition(":")[2])
        rows = frame.select("id", "x", "s", F.col("prediction.y").alias("y")).collect()
        return report, sorted(rows)

    return score


@pytest.fixture
def source(spark, tmp_path):
    """A table of Parquet files: a key, what the pipeline reads, and a text that is kept."""
    rows = spark.range(1000).select("id", F.sqrt("id").alias("x"), F.hex("id").alias("s"))
    rows.repartition(3).write.parquet(f"{tmp_path}/source")
    return f"parquet:{tmp_path}/source"


def test_both_ways_write_the_same_and_say_who_read(run, source):
    """Rows, values, figures of inputs and predictions; in the text and in the JSON."""
    by_tasks, rows = run(source, key=["id"])
    assert by_tasks.reading == "2 tasks read 3 Parquet files themselves"
    assert f"reading     {by_tasks.reading}" in by_tasks.text()
    by_spark, same = run(source, key=["id"], read="spark")
    assert by_spark.reading == "Spark reads the rows, as read='spark' says"
    assert rows == same
    assert len(rows) == by_tasks.n_written == 1000
    assert by_tasks.inputs["x"] == by_spark.inputs["x"]
    assert by_tasks.distributions["y"].mean == pytest.approx(by_spark.distributions["y"].mean)


def test_what_cannot_be_proved_is_sparks_or_refused(run, source):
    """A condition is an expression; asked for by name, reading by tasks is refused beforehand."""
    report, rows = run(source, where="id < 10")
    assert "since it is more than a scan of files: Filter" in report.reading
    assert len(rows) == 10
    with pytest.raises(
        OptionError, match=r"read='files' \(--read files\) cannot be done"
    ) as caught:
        run(source, where="id < 10", read="files")
    assert caught.value.status == "usage"


@pytest.mark.long
def test_bad_rows_are_set_apart_whoever_reads(spark, run, tmp_path):
    """The second pass reads by itself as well."""
    rows = spark.range(100).select(
        "id", (F.col("id") - 3).cast("double").alias("x"), F.hex("id").alias("s")
    )
    rows.write.parquet(f"{tmp_path}/bad")
    words = {"key": ["id"], "work_folder": f"{tmp_path}/work"}
    for way in ("files", "spark"):
        quarantine = f"parquet:{tmp_path}/quarantine-{way}"
        report, good = run(f"parquet:{tmp_path}/bad", read=way, quarantine=quarantine, **words)
        assert (report.n_written, report.n_quarantined) == (97, 3)
        assert len(good) == 97
        assert ("tasks read" in report.reading) == (way == "files")


@pytest.mark.long
def test_a_version_of_a_delta_table_is_read(spark, run, source, tmp_path):
    """The one that the run has pinned, and no later one."""
    path = f"{tmp_path}/delta"
    properties = {"delta.enableDeletionVectors": "false"}
    spark.read.parquet(source.partition(":")[2]).write.format("delta").options(**properties).save(
        path
    )
    spark.sql(f"DELETE FROM delta.`{path}` WHERE id >= 500")
    report, rows = run(f"delta:{path}")
    assert "tasks read" in report.reading
    assert len(rows) == 500
    report, rows = run(f"delta:{path}", source_version="0")
    assert "tasks read" in report.reading
    assert len(rows) == 1000


def test_an_iceberg_table_is_scored_into_another(spark, mirror, with_scorer):
    """Its files by tasks, the version that the run has pinned, and the key by the same way."""
    name = f"reading_{uuid.uuid4().hex[:8]}"
    source, target = f"ice.db.{name}", f"ice.db.{name}_scores"
    spark.sql(f"CREATE TABLE {source} (id bigint, old double) USING iceberg")
    spark.sql(f"INSERT INTO {source} SELECT id, id FROM range(0, 50, 1, 2)")
    spark.sql(f"ALTER TABLE {source} RENAME COLUMN old TO x")
    spark.sql(f"INSERT INTO {source} SELECT id, id FROM range(50, 100, 1, 2)")
    words = {**with_scorer, "spark": spark, "progress": False, "key": ["id"]}

    def run(**more):
        report = score_table(mirror, source=source, target=target, **{**words, **more})
        spark.catalog.refreshTable(target)
        rows = spark.table(target).select("id", "prediction.y").collect()
        return report.reading, sorted(tuple(row) for row in rows)

    expected = [(i, float(i)) for i in range(100)]
    try:
        reading, rows = run(mode="merge")
        assert reading.endswith("Parquet files themselves")
        assert rows == expected
        spark.sql(f"ALTER TABLE {source} SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')")
        spark.sql(f"DELETE FROM {source} WHERE id = 7")
        reading, rows = run(mode="overwrite")
        assert "are deleted beside it" in reading
        assert rows == expected[:7] + expected[8:]
        _, whole, _ = spark.sql(
            f"SELECT snapshot_id FROM {source}.snapshots ORDER BY committed_at"
        ).collect()
        reading, rows = run(mode="overwrite", source_version=str(whole[0]))
        assert reading.endswith("Parquet files themselves")
        assert rows == expected
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {source} PURGE")
        spark.sql(f"DROP TABLE IF EXISTS {target} PURGE")
