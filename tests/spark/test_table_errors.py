"""What Spark and the formats raise, provoked in the real ones, and what a user reads of it."""

import re
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from mounts import mounted

from dai_spark import score_table
from dai_spark.driver.spark_errors.telling import kind_of, said_by, telling
from dai_spark.errors import ColumnError, DaiSparkError, TableJobError


def raised_by(action, *args):
    """What an action raises."""
    try:
        action(*args)
    except Exception as error:  # noqa: BLE001 - whichever class Spark has for it
        return error
    pytest.fail("nothing was raised")


def spoilt(folder):
    """Overwrite a table's data files with what no format is."""
    for path in Path(folder).glob(".*.crc"):
        path.unlink()
    for path in Path(folder).glob("part-*"):
        path.write_bytes(b"no file of this format, though long enough")
    return folder


def overtaken(spark, folder, slow, other):
    """Begin a statement that waits in the middle for another one, which commits before it."""
    begun, go = folder / f"begun-{uuid4().hex}", folder / f"go-{uuid4().hex}"
    paths = str(begun), str(go)

    def wait(value):
        import time
        from pathlib import Path

        Path(paths[0]).touch()
        limit = time.monotonic() + 60
        while not Path(paths[1]).exists() and time.monotonic() < limit:
            time.sleep(0.05)
        return value

    spark.udf.register("wait", wait, "long")
    raised = []

    def run():
        try:
            spark.sql(slow)
        except Exception as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive() and not begun.exists():
        thread.join(0.05)
    try:
        spark.sql(other)
    finally:
        go.touch()
        thread.join()
    for error in raised:
        raise error


def no_table(spark, folder):
    spark.table("nowhere.t").collect()


def no_path(spark, folder):
    spark.read.parquet(f"{folder}/none").collect()


def no_cast(spark, folder):
    spark.sql("SELECT * FROM VALUES ('a') AS t(s)").where("cast(s AS int) > 3").collect()


def no_division(spark, folder):
    spark.range(2).selectExpr("1 / id").collect()


def no_column(spark, folder):
    spark.range(2).where("idd = 1").collect()


def no_sql(spark, folder):
    spark.range(2).where("id = = 1").collect()


def corrupt_parquet(spark, folder):
    spark.range(2).coalesce(1).write.parquet(f"{folder}/p")
    spark.read.schema("id long").parquet(spoilt(f"{folder}/p")).collect()


def corrupt_orc(spark, folder):
    spark.range(2).coalesce(1).write.orc(f"{folder}/o")
    spark.read.schema("id long").orc(spoilt(f"{folder}/o")).collect()


def delta_version(spark, folder):
    spark.range(2).write.format("delta").save(f"{folder}/d")
    spark.read.format("delta").option("versionAsOf", 7).load(f"{folder}/d").collect()


def delta_vacuumed(spark, folder):
    spark.range(2).coalesce(1).write.format("delta").save(f"{folder}/d")
    frame = spark.read.format("delta").load(f"{folder}/d")
    for path in (folder / "d").glob("part-*"):
        path.unlink()
    frame.collect()


def delta_check(spark, folder):
    spark.range(2).write.format("delta").save(f"{folder}/d")
    spark.sql(f"ALTER TABLE delta.`{folder}/d` ADD CONSTRAINT small CHECK (id < 9)")
    spark.range(9, 11).write.format("delta").mode("append").save(f"{folder}/d")


def delta_not_null(spark, folder):
    spark.sql(f"CREATE TABLE delta.`{folder}/d` (id BIGINT NOT NULL) USING delta")
    rows = spark.sql("SELECT cast(NULL AS bigint) AS id")
    rows.write.format("delta").mode("append").save(f"{folder}/d")


def delta_columns(spark, folder):
    spark.range(2).write.format("delta").save(f"{folder}/d")
    rows = spark.range(2).selectExpr("id", "id AS other")
    rows.write.format("delta").mode("append").save(f"{folder}/d")


def delta_overtaken(spark, folder):
    spark.range(3).coalesce(1).write.format("delta").save(f"{folder}/d")
    table = f"delta.`{folder}/d`"
    overtaken(
        spark,
        folder,
        f"UPDATE {table} SET id = wait(id) WHERE id > 0",
        f"DELETE FROM {table} WHERE id = 1",
    )


def iceberg_overtaken(spark, folder):
    table = iceberg_table(spark)
    overtaken(
        spark, folder, f"UPDATE {table} SET id = wait(id)", f"DELETE FROM {table} WHERE id = 1"
    )


def iceberg_table(spark):
    name = f"ice.db.t{uuid4().hex[:12]}"
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    spark.sql(f"CREATE TABLE {name} AS SELECT id FROM range(3)")
    return name


def iceberg_snapshot(spark, folder):
    spark.sql(f"SELECT * FROM {iceberg_table(spark)} VERSION AS OF 12").collect()


def iceberg_branch(spark, folder):
    spark.table(f"{iceberg_table(spark)}.branch_none").collect()


def merged_twice(spark, folder):
    spark.range(2).write.format("delta").save(f"{folder}/d")
    spark.sql(
        f"MERGE INTO delta.`{folder}/d` AS t USING (SELECT * FROM VALUES (1), (1) AS v(id)) AS s "
        "ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = 3"
    )


def no_jdbc_driver(spark, folder):
    url = "jdbc:none://host/db?user=a&password=hush"
    spark.read.format("jdbc").option("url", url).option("dbtable", "t").load()


def no_database(spark, folder):
    spark.read.format("jdbc").option("url", f"jdbc:derby:{folder}/db").option("dbtable", "t").load()


def no_format(spark, folder):
    spark.read.format("parket").load(str(folder))


def python_function(spark, folder):
    def failing(value):
        raise LookupError("of nobody's making")

    spark.range(2).rdd.map(failing).collect()


# Of each: the rule of the catalogue that tells it, and words that only the real error has.
PROVOKED = {
    no_table: ("table not found", r"`nowhere`\.`t` cannot be found \[TABLE_OR_VIEW_NOT_FOUND\]"),
    no_path: ("table not found", r"/none \[PATH_NOT_FOUND\]"),
    no_cast: ("value cannot be computed", r"'a' .*cannot be cast to \"INT\".*try_cast"),
    no_division: ("value cannot be computed", r"Division by zero; in 1 / id "),
    no_column: ("column not there", r"`idd` cannot be resolved\. Did you mean .*`id`"),
    no_sql: ("not SQL", r"near '='"),
    corrupt_parquet: ("corrupt file", r"/p/part-\S+\.parquet is not a Parquet file"),
    corrupt_orc: ("corrupt file", r"/o/part-\S+\.orc"),
    delta_version: ("version not there", r"version 7 \[DELTA_VERSION_NOT_FOUND\]"),
    delta_vacuumed: ("file gone", r"/d/part-\S+\.parquet does not exist"),
    delta_check: ("constraint", r"small \(id < 9\) violated by row with values: - id : (9|10)"),
    delta_not_null: ("constraint", r"column: id"),
    delta_columns: ("other columns", r"--evolve-schema"),
    delta_overtaken: ("concurrent commit", r"\[DELTA_CONCURRENT_"),
    iceberg_overtaken: ("concurrent commit", r"Found conflicting files"),
    iceberg_snapshot: ("version not there", r"snapshot with ID 12"),
    iceberg_branch: ("branch not there", r"does not exist\): none"),
    merged_twice: ("rows that match twice", r"give a --key"),
    no_jdbc_driver: ("no driver", r"No suitable driver"),
    no_database: ("database", r"Database '\S+/db' not found"),
    no_format: ("no such format", r"parket"),
    # What the catalogue does not know.
    python_function: ("", r"^PythonException: LookupError: of nobody's making$"),
}


@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda function: function.__name__)
def test_an_error_of_sparks_is_one_sentence(spark, tmp_path, provoke):
    """With what was found and what to do; Spark's own text stands behind it, and no password."""
    kind, words = PROVOKED[provoke]
    error = raised_by(provoke, spark, tmp_path)
    said = said_by(error)
    assert (kind_of(error), said) == (kind, said)
    assert re.search(words, said), said
    assert_is_a_clause(said)
    with pytest.raises(TableJobError) as told, telling("The table cannot be read"):
        raise error
    assert told.value.message == f"The table cannot be read: {said}."
    assert "\tat org.apache" in told.value.details
    assert "hush" not in told.value.text


def assert_is_a_clause(said):
    """No stack, no class of Java's with its package, and not py4j's own first line."""
    assert "\n" not in said
    assert not re.search(r"\bo\d+\.\w+|\b(?:java|org|py4j|scala)\.\w+\.|\tat |SQLSTATE", said), said
    assert not said.endswith(".")
    assert len(said) < 700


def test_a_full_disk_and_one_that_refuses_are_told(spark, tmp_path):
    """By the path that was written, for files and for a format with a log."""
    rows = spark.range(20_000).selectExpr("uuid() AS text").coalesce(1)
    for kind in ("parquet", "delta"):
        with mounted(tmp_path / "small", "size=256k") as disk:
            error = raised_by(rows.write.format(kind).save, f"{disk}/t")
            said = said_by(error)
            assert kind_of(error) == "out of disk"
            assert f"No space left on device, while rows were written to file:{disk}/t" in said
            assert_is_a_clause(said)
        with mounted(tmp_path / "small", "ro") as disk:
            error = raised_by(rows.write.format(kind).save, f"{disk}/t")
            assert kind_of(error) == "permission denied", error
            assert_is_a_clause(said_by(error))


@pytest.fixture
def run(spark, export, with_scorer, flights, tmp_path):
    """The job from ten flights, in text columns too, to a new table."""
    source = tmp_path / "source"
    source.mkdir()
    rows = flights.head(10)
    rows.assign(code="x" + rows["carrier"]).to_parquet(source / "part-0.parquet")

    def call(**words):
        return score_table(
            export(),
            **with_scorer,
            **{
                "spark": spark,
                "source": f"parquet:{tmp_path}/source",
                "target": f"delta:{tmp_path}/target",
                "keep": ["flight_id"],
                **words,
            },
        )

    return call


def test_a_run_ends_in_a_sentence_wherever_spark_fails(spark, run, tmp_path):
    """While rows are counted, looked at or opened; with exit status 3 and nothing written."""
    cast = "cast(code AS int) > 3"
    refused = {
        'cast to "INT"': {"where": cast, "key": ["flight_id"]},
        "try_cast": {"where": cast, "dry_run": True},
        "Did you mean": {"where": "codee = 'x'"},
        "no such table": {"source": "nowhere.t"},
    }
    refused["There is no table"] = refused.pop("no such table")
    for words, said in refused.items():
        with pytest.raises(DaiSparkError, match=words) as told:
            run(**said)
        assert told.value.status == "refused", said
        assert_is_a_clause(told.value.message.rstrip("."))
    with pytest.raises(ColumnError, match="--column a=nothing does not fit table"):
        run(columns={"a": "nothing"})
    # A key that --column makes fails where it is computed.
    made = {"columns": {"flight_id": cast}, "key": ["flight_id"]}
    with pytest.raises(TableJobError, match='cast to "INT"') as told:
        run(**made)
    assert told.value.status == "refused"
    spoilt(f"{tmp_path}/source")
    for said in ({}, {"key": ["flight_id"]}):
        with pytest.raises(TableJobError, match="is not a Parquet file") as told:
            run(**said)
        assert_is_a_clause(told.value.message.rstrip("."))
    assert not Path(f"{tmp_path}/target").exists()
