"""What happens to a source between two runs: the target follows, or the run refuses."""

from pathlib import Path
from uuid import uuid4

import pytest
from mirror import build_mirror

from dai_spark import score_table
from dai_spark.errors import ColumnError, OptionError, TableJobError

ROWS = "id BIGINT, x DOUBLE"


@pytest.fixture(scope="session")
def mirror(tmp_path_factory):
    """The pipeline whose prediction is its input; rows with x below 0 cannot be scored."""
    return build_mirror(tmp_path_factory.mktemp("mirror") / "mirror.zip")


class Life:
    """A source and a target of a few rows, and the job between them."""

    def __init__(self, spark, kind, folder, pipeline, with_scorer):
        spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
        name = f"s{uuid4().hex[:12]}"
        self.spark, self.kind, self._with_scorer = spark, kind, with_scorer
        self.pipeline, self.folder = pipeline, f"{folder}/{name}"
        self.source = f"ice.db.{name}" if kind == "iceberg" else f"delta:{self.folder}"
        self.target = f"ice.db.t{name}" if kind == "iceberg" else f"delta:{folder}/t{name}"
        self.table, self.scores = map(self._sql_name, (self.source, self.target))

    @staticmethod
    def _sql_name(text):
        return f"delta.`{text[6:]}`" if text.startswith("delta:") else text

    def create(self, columns=ROWS, rows="SELECT id, cast(id AS double) FROM range(6)", more=""):
        using = "iceberg" if self.kind == "iceberg" else "delta"
        feed = "" if using == "iceberg" else "TBLPROPERTIES (delta.enableChangeDataFeed = true)"
        self.sql(f"CREATE TABLE {self.table} ({columns}) USING {using} {more or feed}")
        self.sql(f"INSERT INTO {self.table} {rows}")
        return self

    def sql(self, text):
        return self.spark.sql(text).collect()

    def change(self, *texts):
        """Statements on the source, which is {}."""
        for text in texts:
            self.sql(text.format(self.table))

    def run(self, **words):
        return score_table(
            words.pop("pipeline", self.pipeline),
            **self._with_scorer,
            **{
                "spark": self.spark,
                "source": self.source,
                "target": self.target,
                "mode": "merge",
                "key": ["id"],
                "progress": False,
                **words,
            },
        )

    def refused(self, words, kind=TableJobError, **settings):
        """The run is refused before anything is scored; the dry run says the same."""
        before = self.target_rows()
        found = []
        for dry_run in (True, False):
            with pytest.raises(kind, match=words) as told:
                self.run(dry_run=dry_run, **settings)
            assert told.value.status in ("refused", "usage"), told.value.message
            found.append(told.value.message)
        assert self.target_rows() == before
        return found[-1]

    def target_rows(self):
        """Key and prediction of each row of the target; None where there is none."""
        if self.kind == "iceberg":
            if not self.spark.catalog.tableExists(self.target):
                return None
            self.spark.catalog.refreshTable(self.target)
        elif not Path(self.target[6:], "_delta_log").exists():
            return None
        rows = self.sql(f"SELECT id, prediction.y AS y FROM {self.scores}")
        return sorted((row["id"], row["y"]) for row in rows)

    def is_right(self):
        """The target holds each row of the source once, with the score of what it is now."""
        if self.kind == "iceberg":
            self.spark.catalog.refreshTable(self.source)
        rows = self.sql(f"SELECT id, cast(x AS double) AS x FROM {self.table}")
        assert self.target_rows() == sorted((row["id"], row["x"]) for row in rows)
        return True


@pytest.fixture
def life(spark, mirror, with_scorer, tmp_path):
    """A function that makes a source, a target and a job by format."""
    return lambda kind: Life(spark, kind, tmp_path, mirror, with_scorer)


GAP = (
    "UPDATE {} SET x = x + 100 WHERE id = 1",
    "DELETE FROM {} WHERE id = 2",
    "INSERT INTO {} VALUES (10, 10)",
)


def assert_the_advice_helps(life, words):
    """`changes` is refused with the cause; what it says to do makes the target right again."""
    message = life.refused(words, incremental="changes")
    assert "--mode merge --delete-missing in place of --incremental changes" in message
    report = life.run(delete_missing=True)
    assert (report.status, life.is_right()) == ("done", True)
    assert report.n_deleted in (1, None)
    assert life.run(incremental="changes").status == "nothing to do"
    life.change("UPDATE {} SET x = x + 1 WHERE id = 3", "DELETE FROM {} WHERE id = 4")
    again = life.run(incremental="changes")
    assert (again.n_scored, life.is_right()) == (1, True)


def test_changes_with_a_gap_in_deltas_feed(spark, life, tmp_path):
    """Off for a while, or vacuumed; and a table whose feed is off is refused in the first run."""
    of = life("delta").create()
    assert of.run(incremental="changes").n_scored == 6
    of.change("ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = false)", *GAP)
    of.refused("change data feed of .* is off", incremental="changes")
    of.change("ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    assert_the_advice_helps(of, "feed was off at version 2")
    of.change("UPDATE {} SET x = x + 1 WHERE id = 3", "DELETE FROM {} WHERE id = 5")
    for path in Path(of.folder, "_change_data").iterdir():
        path.unlink()
    of.refused("files that held them were vacuumed", incremental="changes")
    older = of.run(delete_missing=True).source_version
    of.refused("which is to be scored, is older", incremental="changes", source_version="1")
    assert of.is_right()
    spark.sql(f"CREATE OR REPLACE TEMP VIEW of_life AS SELECT * FROM {of.table}")
    of.refused("of_life is a view", incremental="changes", source="of_life")
    of.refused("no log of its changes", incremental="changes", source=f"parquet:{of.folder}")
    assert of.run(incremental="changes").source_version == older


@pytest.mark.long
@pytest.mark.parametrize("gap", ["expired", "rolled back"])
def test_changes_with_a_gap_in_icebergs_snapshots(life, gap):
    """Snapshots between are gone, or the last one that was scored is no ancestor any more."""
    of = life("iceberg").create()
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


def test_rows_that_the_source_lost_are_deleted(life):
    """By --delete-missing, with every kind of new rows; never all of them."""
    of = life("delta").create()
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


def test_a_view_is_known_by_its_text_and_its_tables(spark, life, tmp_path):
    """Append from a view is done once for a state of it; what nothing tells wants --run-id."""
    of = life("delta").create()
    spark.sql(f"CREATE OR REPLACE TEMP VIEW below AS SELECT * FROM {of.table} WHERE id < 3")
    of.sql("CREATE OR REPLACE VIEW default.lifes AS SELECT 7L AS id, 7D AS x")
    spark.range(100, 102).selectExpr("id", "1 AS x").write.parquet(f"{tmp_path}/files")
    spark.sql(
        "CREATE OR REPLACE TEMP VIEW above AS SELECT * FROM below UNION ALL "
        f"SELECT * FROM default.lifes UNION ALL SELECT * FROM parquet.`{tmp_path}/files` WHERE id "
        "IN (SELECT id + 100 FROM below)"
    )
    words = {"source": "above", "mode": "append"}
    assert of.run(**words).n_scored == 6
    assert of.run(**words).status == "already done"
    of.change("UPDATE {} SET x = x + 1 WHERE id = 1")
    assert (of.run(**words).status, of.run(**words).status) == ("done", "already done")
    of.sql("CREATE OR REPLACE VIEW default.lifes AS SELECT 8L AS id, 8D AS x")
    assert of.run(**words).status == "done"
    spark.range(9, 10).selectExpr("id", "1 AS x").write.mode("append").parquet(f"{tmp_path}/files")
    assert (of.run(**words).status, of.run(**words).status) == ("done", "already done")
    for text in ("SELECT *, current_date() AS d FROM below", "SELECT *, rand() AS r FROM below"):
        spark.sql(f"CREATE OR REPLACE TEMP VIEW above AS {text}")
        of.refused("give --run-id", OptionError, **words)
    spark.createDataFrame([(1, 1.0)], ROWS).createOrReplaceTempView("above")
    of.refused("give --run-id", OptionError, **words)
    assert of.run(**words, run_id="1").status == "done"
    of.sql("DROP VIEW default.lifes")


def test_marks_of_every_type_are_kept_or_refused(spark, life):
    """Two nights of each: the second one scores what is above the first one's mark."""
    types = {
        "TINYINT": ("-3Y", "2Y"),
        "FLOAT": ("float(0.1)", "float(0.1000001)"),
        "DOUBLE": ("-1e-300D", "1e300D"),
        "DECIMAL(38,18)": ("0.000000000000000001", "0.000000000000000002"),
        "DATE": ("date'0099-12-31'", "date'2013-03-31'"),
        # In a time zone whose offset had seconds, and where a clock is put back.
        "TIMESTAMP": ("timestamp'1890-01-01 00:00:00.000001Z'", "timestamp'2013-10-27 01:30:00Z'"),
        "TIMESTAMP_NTZ": ("timestamp_ntz'2013-03-31 02:30:00.1'", "timestamp_ntz'9999-12-31'"),
        "STRING": ("'Z'", "'a''\"'"),
    }
    wrong = ("BOOLEAN", "BINARY", "STRUCT<a: INT>", "ARRAY<INT>")
    of = life("delta").create(
        ", ".join([ROWS, *(f"c{i} {kind}" for i, kind in enumerate((*types, *wrong)))]),
        "SELECT 1L, 1D, "
        + ", ".join([*(low for low, _ in types.values()), *["NULL"] * len(wrong)]),
    )
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    try:
        for i, (kind, (_, high)) in enumerate(types.items()):
            words = {"incremental": "since", "since": f"C{i}", "mode": "append", "job_name": f"{i}"}
            words |= {"target": f"{of.target}{i}", "where": f"id = 1 OR c{i} = {high}"}
            assert of.run(**words).n_scored == 1, kind
            assert of.run(**words).status == "nothing to do", kind
            of.change(f"INSERT INTO {{}} (id, x, c{i}) VALUES ({i + 10}, 1, {high})")
            assert of.run(**words).n_scored == 1, kind
    finally:
        spark.conf.unset("spark.sql.session.timeZone")
    made = {"l": "c7 COLLATE UTF8_LCASE", "m": "make_dt_interval(1)"}
    for name in (*(f"c{len(types) + i}" for i in range(len(wrong))), "l", "m"):
        of.refused("no mark keeps", ColumnError, incremental="since", since=name, columns=made)
    for value, said in (("NaN", "NaN or infinite"), ("Infinity", "NaN or inf"), (None, "is null")):
        text = "NULL" if value is None else f"double('{value}')"
        of.change(f"UPDATE {{}} SET c2 = {text} WHERE id = 10")
        of.refused(f"1 rows .* c2 is {said}", ColumnError, incremental="since", since="c2",
                   where="id in (1, 10, 12)")  # fmt: skip
    of.refused("lacks the column none", ColumnError, incremental="since", since="none")


def test_rows_that_come_late_are_found_by_a_lookback(life):
    """Merge scores what lies so far below the mark again, append what the target lacks."""
    of = life("delta").create(f"{ROWS}, day DATE", "SELECT id, id, date_add('2026-05-01', int(id)) "
                              "FROM range(6)")  # fmt: skip
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
    for wrong, since in (("2", "day"), ("5 h", "day"), ("2 days", "x"), ("two", "x")):
        said = {**words, "lookback": wrong, "since": since}
        of.refused(f"--lookback {wrong}", OptionError, **said)
    number = {**words, "since": "id", "lookback": "2", "target": f"{of.target}3"}
    assert (of.run(**number).n_scored, of.run(**number).n_scored) == (8, 2)


def test_keys_of_every_type_are_verified_as_spark_compares_them(spark, life):
    """Arrays, NaN, -0.0, times; what Spark does not compare is refused at the start."""
    of = life("delta").create(
        f"{ROWS}, a ARRAY<INT>, d DOUBLE, n DECIMAL(20,3), t TIMESTAMP, s STRUCT<p: INT, "
        "q: STRING>, "
        "b BINARY, m MAP<STRING, INT>, i TIMESTAMP_NTZ",
        "SELECT id, id, array(int(id), NULL), if(id = 0, double('NaN'), if(id = 1, -0D, id)), "
        "id / 8, timestamp'2013-10-27 00:30:00Z' + make_interval(0, 0, 0, 0, int(id)), "
        "named_struct('p', int(id), 'q', NULL), encode(string(id), 'utf-8'), map('a', 1), "
        "timestamp_ntz'0001-01-01' + make_dt_interval(int(id)) FROM range(4)",
    )
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    try:
        for number, key in enumerate(("a", "d", "n,t", "s,i", "b,a")):
            words = {"key": key.split(","), "target": f"{of.target}{number}", "mode": "append"}
            report = of.run(**words, verify=10)
            assert (report.verified, report.status) == ((4, 0), "done"), key
    finally:
        spark.conf.unset("spark.sql.session.timeZone")
    of.refused("m .map<string,int>. of --key holds maps", ColumnError, key=["m"], verify=1)
    with pytest.raises(OptionError, match="--verify wants the lineage"):
        of.run(verify=1, lineage=False)
