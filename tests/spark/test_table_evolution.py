"""The source's columns change between two runs, and its rows are kept in other ways."""

import pytest

from dai_spark.errors import ColumnError, OptionError, TableJobError

# Of Delta: what renaming, dropping and widening a column want.
DELTA = (
    "TBLPROPERTIES (delta.enableChangeDataFeed = true, delta.columnMapping.mode = 'name', "
    "delta.enableTypeWidening = true)"
)
MERGE_ON_READ = ", ".join(
    f"'write.{change}.mode' = 'merge-on-read'" for change in ("delete", "update", "merge")
)
WORDS = {
    "changes": {"incremental": "changes"},
    "missing": {"incremental": "missing"},
    "since": {"incremental": "since", "since": "id"},
    "all": {},
}
LONG = [
    pytest.param(kind, how, True, marks=pytest.mark.long)
    for kind in ("delta", "iceberg")
    for how in WORDS
]


@pytest.mark.parametrize(("kind", "how", "is_whole"), [("delta", "changes", False), *LONG])
def test_columns_of_the_source_change(nights, kind, how, is_whole):
    """Added, widened, moved, removed, renamed: the rows are right, or the run says what to do."""
    more = DELTA if kind == "delta" else ""
    of = nights(kind).create(
        "id INT, x INT, extra STRING", "SELECT id, id, 'a' FROM range(3)", more
    )
    words = {**WORDS[how], "keep": ["id"]}
    assert of.run(**words).n_scored == 3
    n_rows = 3

    def grows(into, **more_words):
        nonlocal n_rows
        of.change(f"INSERT INTO {{}} {into} VALUES (10 + {n_rows}, {n_rows}, 'b')")
        n_rows += 1
        report = of.run(**words, **more_words)
        assert report.n_scored == (n_rows if how == "all" else 1)
        name = more_words.get("columns", {}).get("x", "x")
        rows = of.sql(f"SELECT id, cast({name} AS double) AS x FROM {of.table}")
        assert of.target_rows() == sorted((row["id"], row["x"]) for row in rows)

    of.change("ALTER TABLE {} ADD COLUMN added STRING")
    grows("(id, x, added)")
    all_kept = {**words, "keep": None}
    assert "--evolve-schema" in of.refused("added", **all_kept)
    if is_whole:
        of.change("ALTER TABLE {} ALTER COLUMN x TYPE BIGINT")
        grows("(id, x, added)")
        of.change("ALTER TABLE {} ALTER COLUMN x FIRST")
        grows("(id, x, added)")
    of.change("ALTER TABLE {} DROP COLUMN extra")
    grows("(id, x, added)")
    # Iceberg's rename alone is no new version of the table: there a run has nothing to do.
    of.change(
        "ALTER TABLE {} RENAME COLUMN x TO other",
        f"INSERT INTO {{}} (id, other, added) VALUES (10 + {n_rows}, {n_rows}, 'b')",
    )
    n_rows += 1
    of.refused("x", ColumnError, **words)
    if how == "all":
        grows("(id, other, added)", columns={"x": "other"})


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("delta", "TBLPROPERTIES (delta.enableDeletionVectors = true)"),
        ("delta", "TBLPROPERTIES (delta.columnMapping.mode = 'id')"),
        ("iceberg", f"TBLPROPERTIES ({MERGE_ON_READ}, 'format-version' = '2')"),
        ("iceberg", f"TBLPROPERTIES ({MERGE_ON_READ}, 'format-version' = '3')"),
    ],
    ids=["deletion vectors", "mapping by id", "merge on read", "puffin deletes"],
)
def test_rows_that_are_deleted_beside_their_file_stay_away(nights, kind, more):
    """Deletion vectors, delete files, mapped columns: a run sees the table as its format says."""
    of = nights(kind)
    of.create(more=more, rows="SELECT /*+ COALESCE(1) */ id, id FROM range(0, 20, 1, 1)")
    assert of.run(verify=3).verified == (3, 0)
    of.change("DELETE FROM {} WHERE id IN (3, 7)", "UPDATE {} SET x = 100 WHERE id = 5")
    report = of.run(delete_missing=True, verify=3)
    assert report.verified[1] == 0
    assert of.is_right()
    of.change("DELETE FROM {} WHERE id = 9")
    assert of.run(incremental="missing", delete_missing=True).n_scored == 0
    assert of.is_right()
    if kind == "iceberg":
        # Iceberg's log of changes tells no delete files, whatever is read of it.
        advice = r"merge-on-read.* use --mode merge --delete-missing without --incremental"
        of.refused(advice, TableJobError, incremental="changes")
        assert of.run(delete_missing=True).n_scored == 17
        of.change("INSERT INTO {} VALUES (60, 60)")
        of.refused(advice, TableJobError, incremental="changes")
        assert of.run(delete_missing=True).n_scored == 18
        assert of.is_right()


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("delta", "delta.enableDeletionVectors = true"),
        ("delta", "delta.columnMapping.mode = 'name'"),
        ("iceberg", f"{MERGE_ON_READ}, 'format-version' = '2'"),
        ("iceberg", f"{MERGE_ON_READ}, 'format-version' = '3'"),
    ],
    ids=["deletion vectors", "mapping by name", "merge on read", "puffin deletes"],
)
def test_targets_take_rows_out_beside_their_files(nights, kind, more):
    """Merges, others' deletions, compaction, a settled quarantine: however rows are deleted."""
    of = nights(kind).create(rows="SELECT /*+ COALESCE(1) */ id, id FROM range(0, 20, 1, 1)")
    assert of.run(verify=20).verified == (20, 0)
    of.sql(f"ALTER TABLE {of.scores} SET TBLPROPERTIES ({more})")
    of.change(
        "DELETE FROM {} WHERE id IN (3, 7)",
        "UPDATE {} SET x = 100 WHERE id = 5",
        "INSERT INTO {} VALUES (50, 50)",
    )
    assert of.run(delete_missing=True, verify=19).verified == (2, 0)
    assert of.is_right()
    assert of.run(delete_missing=True).status == "already done"
    of.sql(f"DELETE FROM {of.scores} WHERE id IN (11, 12)")
    assert of.run(incremental="missing").n_scored == 2
    assert of.is_right()
    if kind == "delta":
        of.sql(f"OPTIMIZE {of.scores}")
    else:
        name = of.scores.removeprefix("ice.")
        of.sql(
            f"CALL ice.system.rewrite_data_files(table => '{name}', "
            "options => map('rewrite-all', 'true'))"
        )
        of.sql(f"CALL ice.system.rewrite_position_delete_files(table => '{name}')")
    assert of.run(incremental="missing").status == "nothing to do"
    of.change("UPDATE {} SET x = -1 WHERE id = 1")
    bad = of.source.replace(of.folder, f"{of.folder}-bad") if kind == "delta" else f"{of.source}b"
    assert of.run(quarantine=bad, delete_missing=True).n_quarantined == 1
    assert [row[0] for row in of.target_rows() if row[0] < 2] == [0]
    of.change("UPDATE {} SET x = 1 WHERE id = 1")
    assert of.run(quarantine=bad, incremental="quarantine").n_scored == 1
    assert of.is_right()


def test_a_database_is_read_in_parts_and_no_secret_is_shown(spark, nights, tmp_path):
    """Spark's own options part the reads; a password is in no message, report or record."""
    of = nights("delta")
    url = f"jdbc:derby:{tmp_path}/db;create=true"
    spark.range(40).selectExpr("id", "cast(id AS double) AS x").write.jdbc(url, "rows_of_night")
    options = {
        "url": url,
        "dbtable": "rows_of_night",
        "user": "app",
        "password": "hush-hush",
        "partitionColumn": "id",
        "lowerBound": "0",
        "upperBound": "40",
        "numPartitions": "4",
    }
    told = []
    words = {
        "source": "jdbc:",
        "source_options": options,
        "on_message": told.append,
        "report": [f"{tmp_path}/report.json"],
    }
    report = of.run(**words)
    assert (report.n_scored, len(of.target_rows())) == (40, 40)
    assert of.run(**words, incremental="missing").status == "nothing to do"
    assert of.run(**words, incremental="since", since="id").high_water_mark == "39"
    of.refused("give --run-id", OptionError, **words, mode="append")
    wrong = {**words, "source_options": {**options, "dbtable": "none"}}
    told.append(of.refused("none", **wrong))
    told += [path.read_text() for path in tmp_path.glob("report.json")]
    told += [path.read_text() for path in tmp_path.rglob("_delta_log/*.json")]
    assert "hush" not in "".join(told)


@pytest.mark.parametrize(
    "kind", ["csv", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("orc", "avro"))]
)
def test_files_of_other_formats_are_sources(spark, nights, kind, tmp_path):
    """CSV with a header, ORC, Avro: known by their files, and incremental by the target."""
    of = nights("delta")
    rows = spark.range(6).selectExpr("id", "cast(id AS double) AS x")
    rows.write.option("header", "true").format(kind).save(f"{tmp_path}/rows")
    options = {"header": "true", "inferSchema": "true"} if kind == "csv" else {}
    words = {"source": f"{kind}:{tmp_path}/rows", "source_options": options, "mode": "append"}
    assert of.run(**words).n_scored == 6
    assert of.run(**words).status == "already done"
    assert of.target_rows() == [(i, i) for i in range(6)]
    more = spark.range(6, 8).selectExpr("id", "cast(id AS double) AS x")
    more.write.option("header", "true").format(kind).mode("append").save(f"{tmp_path}/rows")
    assert of.run(**words, incremental="missing").n_scored == 2
    assert of.target_rows() == [(i, i) for i in range(8)]
