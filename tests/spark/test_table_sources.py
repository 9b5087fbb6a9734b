"""What happens to a source between two runs: the target follows, or the run refuses."""

from pathlib import Path

import pytest
from linear import build_linear
from nights import ROWS
from pyspark.sql import functions as F

from dai_spark.errors import ColumnError, OptionError, TableJobError
from dai_spark.table_job.source.since_column import SinceColumn


def long(*values):
    """Values that are only tried by `make test-long`, since others stand for them."""
    return pytest.param(*values, marks=pytest.mark.long)


GAP = (
    "UPDATE {} SET x = x + 100 WHERE id = 1",
    "DELETE FROM {} WHERE id = 2",
    "INSERT INTO {} VALUES (10, 10)",
)


def assert_the_advice_helps(of, words):
    """`changes` is refused with the cause; what it says to do makes the target right again."""
    message = of.refused(words, incremental="changes", dry_runs=(True, False))
    assert "--mode merge --delete-missing in place of --incremental changes" in message
    report = of.run(delete_missing=True)
    assert (report.status, of.is_right()) == ("done", True)
    assert report.n_deleted in (1, None)
    assert of.run(incremental="changes").status == "nothing to do"
    of.change("UPDATE {} SET x = x + 1 WHERE id = 3", "DELETE FROM {} WHERE id = 4")
    again = of.run(incremental="changes")
    assert (again.n_scored, of.is_right()) == (1, True)


def test_changes_with_a_gap_in_deltas_feed(nights):
    """Off for a while: the next run is refused while it is off, and behind the gap."""
    of = nights("delta").create()
    assert of.run(incremental="changes").n_scored == 6
    of.change("ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = false)", *GAP)
    of.refused("change data feed of .* is off", incremental="changes")
    of.change("ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    assert_the_advice_helps(of, "feed was off at version 2")


@pytest.mark.long
def test_changes_whose_files_are_gone_or_that_nothing_tells(spark, nights):
    """Vacuumed, older than what was scored, of a view, of files: refused in a sentence."""
    of = nights("delta").create()
    assert of.run(incremental="changes").n_scored == 6
    of.change("UPDATE {} SET x = x + 1 WHERE id = 3", "DELETE FROM {} WHERE id = 5")
    for path in Path(of.folder, "_change_data").iterdir():
        path.unlink()
    of.refused("files that held them were vacuumed", incremental="changes")
    older = of.run(delete_missing=True).source_version
    of.refused("which is to be scored, is older", incremental="changes", source_version="1")
    assert of.is_right()
    spark.sql(f"CREATE OR REPLACE TEMP VIEW of_night AS SELECT * FROM {of.table}")
    of.refused("of_night is a view", incremental="changes", source="of_night")
    of.refused("no log of its changes", incremental="changes", source=f"parquet:{of.folder}")
    assert of.run(incremental="changes").source_version == older


@pytest.mark.long
@pytest.mark.parametrize("gap", ["expired", "rolled back"])
def test_changes_with_a_gap_in_icebergs_snapshots(nights, gap):
    """Snapshots between are gone, or the last one that was scored is no ancestor any more."""
    of = nights("iceberg").create()
    catalog, _, name = of.source.partition(".")
    first = of.run(incremental="changes").source_version
    of.change(*GAP)
    if gap == "expired":
        of.sql(
            f"CALL {catalog}.system.expire_snapshots(table => '{name}', retain_last => 1, "
            "older_than => TIMESTAMP '2100-01-01 00:00:00')"
        )
        words = r"snapshot \d+ behind it has expired"
    else:
        assert of.run(incremental="changes").n_scored == 2
        of.sql(f"CALL {catalog}.system.rollback_to_snapshot('{name}', {first})")
        of.change("DELETE FROM {} WHERE id = 0")
        words = "the table was rolled back"
    assert_the_advice_helps(of, words)


def test_rows_that_the_source_lost_are_deleted(nights):
    """By --delete-missing, with every kind of new rows; never all of them."""
    of = nights("delta").create()
    of.run(delete_missing=True)
    of.change("DELETE FROM {} WHERE id = 2")
    report = of.run(delete_missing=True, incremental="missing")
    assert (report.n_scored, report.n_deleted, of.is_right()) == (0, 1, True)
    assert of.run(delete_missing=True, incremental="missing").status == "nothing to do"
    narrow = of.run(delete_missing=True, where="id > 3")
    assert (narrow.n_deleted, len(of.target_rows())) == (3, 2)
    of.refused("would delete all rows", delete_missing=True, where="id > 90")
    for words in ({"mode": "append"}, {"incremental": "changes"}):
        with pytest.raises(OptionError, match="--delete-missing wants"):
            of.run(delete_missing=True, **words)


@pytest.fixture
def above(spark, nights, tmp_path):
    """A view of a view, of a view in the catalog and of files, and the job that appends from it."""
    of = nights("delta").create()
    spark.sql(f"CREATE OR REPLACE TEMP VIEW below AS SELECT * FROM {of.table} WHERE id < 3")
    of.sql("CREATE OR REPLACE VIEW default.below_nights AS SELECT 7L AS id, 7D AS x")
    spark.range(100, 102).selectExpr("id", "1 AS x").write.parquet(f"{tmp_path}/files")
    spark.sql(
        "CREATE OR REPLACE TEMP VIEW above AS SELECT * FROM below UNION ALL "
        f"SELECT * FROM default.below_nights UNION ALL SELECT * FROM parquet.`{tmp_path}/files` "
        "WHERE id IN (SELECT id + 100 FROM below)"
    )
    yield of, {"source": "above", "mode": "append"}
    of.sql("DROP VIEW default.below_nights")


def test_a_view_is_known_by_its_tables(spark, above):
    """Append from a view is done once for a state of it; what nothing tells wants --run-id."""
    of, words = above
    # Without files below it, whose list would tell the change as well.
    below = {**words, "source": "below"}
    assert of.run(**below).n_scored == 3
    assert of.run(**below).status == "already done"
    of.change("UPDATE {} SET x = x + 1 WHERE id = 1")
    assert of.run(**below).status == "done"
    spark.sql("CREATE OR REPLACE TEMP VIEW above AS SELECT *, rand() AS r FROM below")
    of.refused("give --run-id", OptionError, **words)


@pytest.mark.long
def test_a_view_is_known_by_its_text_and_its_files_too(spark, above, tmp_path):
    """Of each view and table below it; what nothing tells wants --run-id, and is done with it."""
    of, words = above
    assert of.run(**words).n_scored == 6
    of.sql("CREATE OR REPLACE VIEW default.below_nights AS SELECT 8L AS id, 8D AS x")
    assert of.run(**words).status == "done"
    spark.range(9, 10).selectExpr("id", "1 AS x").write.mode("append").parquet(f"{tmp_path}/files")
    assert (of.run(**words).status, of.run(**words).status) == ("done", "already done")
    for text in ("SELECT *, current_date() AS d FROM below", "SELECT *, rand() AS r FROM below"):
        spark.sql(f"CREATE OR REPLACE TEMP VIEW above AS {text}")
        of.refused("give --run-id", OptionError, **words)
    spark.createDataFrame([(1, 1.0)], ROWS).createOrReplaceTempView("above")
    of.refused("give --run-id", OptionError, **words)
    assert of.run(**words, run_id="1").status == "done"


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("TINYINT", "-3Y", "2Y"),
        ("FLOAT", "float(0.1)", "float(0.1000001)"),
        ("DOUBLE", "-1e-300D", "1e300D"),
        ("DECIMAL(38,18)", "0.000000000000000001", "0.000000000000000002"),
        ("DATE", "date'0099-12-31'", "date'2013-03-31'"),
        # In a time zone whose offset had seconds, and where a clock is put back.
        ("TIMESTAMP", "timestamp'1890-01-01 00:00:00.000001Z'", "timestamp'2013-10-27 01:30:00Z'"),
        ("TIMESTAMP", "timestamp'2013-10-27 00:30:00Z'", "timestamp'2013-10-27 01:30:00Z'"),
        ("TIMESTAMP_NTZ", "timestamp_ntz'2013-03-31 02:30:00.1'", "timestamp_ntz'9999-12-31'"),
        ("STRING", "'Z'", "'a\\''"),
    ],
)
def test_above_a_mark_lies_the_next_value(spark, conf, kind, low, high):
    """And not itself, in every type whose order a mark keeps."""
    conf(spark__sql__session__timeZone="Europe/Berlin")
    rows = spark.sql(f"SELECT cast({low} AS {kind}) AS C UNION ALL SELECT {high}")
    since = SinceColumn.of(rows, "c", "t")
    mark = since.largest(rows.where(f"C = {low}"), F.lit(True), None)
    above = since.column > since.literal(mark)
    assert rows.where(above).collect() == rows.where(f"C = {high}").collect()
    assert since.largest(rows.where(f"C = {low}"), above, mark) is None
    assert since.largest(rows, above, mark) > mark or kind == "TINYINT"


@pytest.mark.parametrize(
    "made",
    [
        {"struct": "named_struct('a', id)", "string collate": "string(id) COLLATE UTF8_LCASE"},
        long(
            {
                "boolean": "id > 3",
                "binary": "encode(string(id), 'utf-8')",
                "array": "array(id)",
                "interval": "make_dt_interval(id)",
            }
        ),
    ],
    ids=",".join,
)
def test_columns_whose_order_no_mark_keeps_are_refused(nights, made):
    """By their type, or by a value that has no place in it; a mark takes the rows above it."""
    of = nights("delta").create()
    for kind, text in made.items():
        words = {"columns": {"made": text}, "since": "made", "incremental": "since"}
        of.refused(
            f"is {kind}.*, whose order no mark keeps", ColumnError, dry_runs=(True,), **words
        )
    for value, said in (
        ("double('NaN')", "NaN or inf"),
        ("-double('inf')", "NaN or inf"),
        ("NULL", "null"),
    ):
        words = {"columns": {"made": f"if(id = 1, try_add({value}, 0D), x)"}}
        words |= {"since": "MADE", "incremental": "since"}
        of.refused(f"1 rows .* made is {said}", ColumnError, dry_runs=(True,), **words)
    of.refused("lacks the column none", ColumnError, incremental="since", since="none")
    words = {"since": "X", "incremental": "since", "mode": "append"}
    assert of.run(**words).n_scored == 6
    of.change("INSERT INTO {} VALUES (7, 5), (8, 8)")
    assert of.run(**words).n_scored == 1


def test_rows_that_come_late_are_found_by_a_lookback(nights):
    """Merge scores what lies so far below the mark again, append what the target lacks."""
    days = "SELECT id, id, date_add('2026-05-01', int(id)) FROM range(6)"
    of = nights("delta").create(f"{ROWS}, day DATE", days)
    words = {"incremental": "since", "since": "day", "lookback": "2 days"}
    other = {**words, "mode": "append", "target": f"{of.target}2"}
    assert (of.run(**words).n_scored, of.run(**other).n_scored) == (6, 6)
    of.change(
        "INSERT INTO {} VALUES (20, 20, '2026-05-05'), (21, 21, '2026-05-04'), (22, 22, "
        "'2026-05-03')"
    )
    assert (of.run(**words).n_scored, of.run(**other).n_scored) == (3, 1)


@pytest.mark.parametrize(
    ("wrong", "since"),
    [("2", "day"), long("5 h", "day"), long("2 days", "x"), ("two", "x")],
)
def test_a_lookback_that_is_no_length_of_its_column_is_refused(nights, wrong, since):
    """A number of a date, hours of days, days of a number, a word."""
    of = nights("delta").create(f"{ROWS}, day DATE", "SELECT 1, 1, '2026-05-01'")
    words = {"incremental": "since", "since": since, "lookback": wrong}
    of.refused(f"--lookback {wrong}", OptionError, **words)


@pytest.mark.long
def test_a_lookback_goes_on_when_the_newest_row_is_gone(nights):
    """A dry run tells its rows, a deleted row moves the mark, and a number looks back as well."""
    days = "SELECT id, id, date_add('2026-05-01', int(id)) FROM range(6)"
    of = nights("delta").create(f"{ROWS}, day DATE", days)
    words = {"incremental": "since", "since": "day", "lookback": "2 days"}
    other = {**words, "mode": "append", "target": f"{of.target}2"}
    assert (of.run(**words).n_scored, of.run(**other).n_scored) == (6, 6)
    of.change(
        "INSERT INTO {} VALUES (20, 20, '2026-05-05'), (21, 21, '2026-05-04'), (22, 22, "
        "'2026-05-03')"
    )
    assert (of.run(**words).n_scored, of.run(**other).n_scored) == (3, 1)
    found = of.run(**words, dry_run=True)
    assert found.n_read == 3
    assert of.run(**other).status == "nothing to do"
    of.change("DELETE FROM {} WHERE id = 5")
    assert of.run(**words).high_water_mark == "2026-05-06"
    number = {**words, "since": "id", "lookback": "2", "target": f"{of.target}3"}
    assert (of.run(**number).n_scored, of.run(**number).n_scored) == (8, 2)


@pytest.mark.parametrize("key", ["d", long("a,b"), long("n,t,s,i")])
def test_keys_of_every_type_are_verified_as_spark_compares_them(conf, nights, key):
    """Arrays, NaN, -0.0, times; what Spark does not compare is refused at the start."""
    of = nights("delta").create(
        f"{ROWS}, a ARRAY<INT>, d DOUBLE, n DECIMAL(20,3), t TIMESTAMP, s STRUCT<p: INT, "
        "q: STRING>, "
        "b BINARY, m MAP<STRING, INT>, i TIMESTAMP_NTZ",
        "SELECT id, id, array(int(id), NULL), if(id = 0, double('NaN'), if(id = 1, -0D, id)), "
        "id / 8, timestamp'2013-10-27 00:30:00Z' + make_interval(0, 0, 0, 0, int(id)), "
        "named_struct('p', int(id), 'q', NULL), encode(string(id), 'utf-8'), map('a', 1), "
        "timestamp_ntz'0001-01-01' + make_dt_interval(int(id)) FROM range(4)",
    )
    conf(spark__sql__session__timeZone="Europe/Berlin")
    report = of.run(key=key.split(","), mode="append", verify=10)
    assert (report.verified, report.status) == ((4, 0), "done")
    of.refused("cannot compare values of --key m .map<string,int>", key=["m"], verify=1)
    with pytest.raises(OptionError, match="--verify wants the lineage"):
        of.run(verify=1, lineage=False)


@pytest.mark.parametrize(
    ("kind", "is_whole"),
    [
        ("delta", False),
        pytest.param("delta", True, marks=pytest.mark.long),
        pytest.param("iceberg", True, marks=pytest.mark.long),
    ],
)
def test_rows_leave_the_quarantine_when_they_are_scored(spark, nights, kind, is_whole, tmp_path):
    """Repaired, bad again, good no more, or under a new pipeline: each row is in one of the two."""
    of = nights(kind).create(rows="SELECT id, if(id IN (1, 2, 3), -id, id) FROM range(6)")
    bad = f"{of.target}_bad"
    words = {"quarantine": bad}

    def in_quarantine():
        if kind == "iceberg":
            spark.catalog.refreshTable(bad)
        rows = of.sql(f"SELECT id, scoring.run_id AS run FROM {of._sql_name(bad)} ORDER BY id")
        return {row["id"]: row["run"] for row in rows}, len(rows)

    first = of.run(**words)
    assert (first.n_quarantined, in_quarantine()) == (
        3,
        (dict.fromkeys((1, 2, 3), first.run_id), 3),
    )
    of.change("UPDATE {} SET x = 10 WHERE id = 1")
    again = of.run(**words, incremental="quarantine")
    assert (again.n_scored, again.n_quarantined) == (1, 2)
    assert in_quarantine() == ({2: again.run_id, 3: again.run_id}, 2)
    assert of.target_rows() == [(0, 0), (1, 10), (4, 4), (5, 5)]
    # One that was good is bad now, one that was bad is good: by a run of all rows.
    of.change("UPDATE {} SET x = -5 WHERE id = 5", "UPDATE {} SET x = 2 WHERE id = 2")
    third = of.run(**words)
    assert in_quarantine() == ({3: third.run_id, 5: third.run_id}, 2)
    assert of.target_rows() == [(0, 0), (1, 10), (2, 2), (4, 4)]
    if kind == "delta":
        assert third.n_deleted == 1
    if not is_whole:
        return
    of.change("DELETE FROM {} WHERE id = 3")
    shifted = build_linear(tmp_path / "shifted.zip", bad_below=-100, shift=1)
    last = of.run(**words, incremental="quarantine", pipeline=shifted)
    assert (last.n_scored, of.target_rows()[-1]) == (1, (5, -4))
    assert of.run(**words, delete_missing=True).status == "done"
    assert (
        of.run(quarantine=f"{of.target}_none", incremental="quarantine").status == "nothing to do"
    )
    added = {"quarantine": f"parquet:{tmp_path}/bad", "mode": "append", "target": f"{of.target}2"}
    of.run(**added)
    of.refused("made of files, which rows cannot leave", incremental="quarantine", **added)
    with pytest.raises(OptionError, match="incremental quarantine wants --quarantine"):
        of.run(incremental="quarantine")


@pytest.mark.long
def test_a_source_whose_files_are_gone_is_told_in_a_sentence(spark, nights):
    """A version that was vacuumed, a table whose files were taken away, a view of a lost table."""
    of = nights("delta").create()
    of.run()
    of.change("UPDATE {} SET x = x + 1")
    old = sorted(Path(of.folder).glob("part-*"))
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    try:
        of.sql(f"VACUUM {of.table} RETAIN 0 HOURS")
    finally:
        spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    assert any(not path.exists() for path in old)
    of.refused("a file of the table is gone", source_version="1", where="id >= 0")
    assert of.run().status == "done"
    of.change("INSERT INTO {} VALUES (30, 30)")
    for path in Path(of.folder).glob("part-*"):
        path.unlink()
    of.refused("a file of the table is gone")
    of.sql("CREATE TABLE default.lost AS SELECT 1L AS id, 1D AS x")
    spark.sql("CREATE OR REPLACE TEMP VIEW of_lost AS SELECT * FROM default.lost")
    of.sql("DROP TABLE default.lost")
    of.refused("There is no table|no such table", TableJobError, source="of_lost")
