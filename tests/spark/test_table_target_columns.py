"""Columns of a target: kept ones of every type and name, its own, and what it demands of rows."""

import threading
import time
from uuid import uuid4

import pytest

from dai_spark.errors import DaiSparkError, TableJobError
from dai_spark.table_job.table_name import TableName


def long(*values):
    """A kind that is only tried by `make test-long`, since another one stands for it."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.fixture
def named(spark):
    """Makes names of catalog tables, which are dropped behind the test."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    made = []

    def name(kind):
        text = f"t{uuid4().hex[:12]}"
        made.append(f"ice.db.{text}" if kind == "iceberg" else text)
        return made[-1]

    yield name
    for one in made:
        spark.sql(f"DROP TABLE IF EXISTS {one}")


@pytest.fixture
def source(spark, tmp_path):
    """Makes a Delta source of a query: its path."""

    def make(query):
        path = f"{tmp_path}/s{uuid4().hex[:12]}"
        spark.sql(query).coalesce(1).write.format("delta").save(path)
        return path

    return make


def rows(spark, query):
    """What a query finds, as tuples in order."""
    return sorted(tuple(row) for row in spark.sql(query).collect())


@pytest.mark.parametrize("kind", ["delta", long("iceberg")])
def test_kept_columns_that_spark_cannot_compare_are_merged(spark, score_plain, source, named, kind):
    """Maps and variants, at any depth: rows that differ in them are updated, others stay."""
    variant = ", parse_json('{\"a\": 1}') AS v" if kind == "delta" else ""
    path = source(
        "SELECT id, 1.0 AS x, map('k', id, 'l', id) AS m, array(map('k', 1)) AS am, "
        f"named_struct('m', map('k', named_struct('i', 1))) AS s{variant} FROM range(3)"
    )
    target = named(kind)
    words = {"mode": "merge", "key": ["id"], "target_format": kind}
    assert score_plain(f"delta:{path}", target, **words).n_inserted == 3
    spark.sql(f"UPDATE delta.`{path}` SET m = map('l', id, 'k', id) WHERE id = 0")
    spark.sql(f"UPDATE delta.`{path}` SET am = array(map('k', 2)) WHERE id = 1")
    if variant:
        spark.sql(f"UPDATE delta.`{path}` SET v = parse_json('{{\"a\": 2}}') WHERE id = 2")
    report = score_plain(f"delta:{path}", target, **words)
    assert (report.n_inserted, report.n_updated) == (0, 2 if variant else 1)
    assert rows(spark, f"SELECT id, am[0]['k'] FROM {target}") == [(0, 1), (1, 2), (2, 1)]
    for dry_run in (True, False):
        with pytest.raises(TableJobError, match=r"compare values of --key m \(map<.*another key"):
            score_plain(f"delta:{path}", target, mode="merge", key=["m"], dry_run=dry_run)


def test_kept_names_that_delta_refuses_are_made_safe(spark, score_plain, tmp_path):
    """In the key, the partition and fields of structs, too, through every mode; told once."""
    view = f"parquet:{tmp_path}/source"
    made = "id AS `a key`, 1.0 AS x, named_struct('f g', id) AS `a (struct)`, id % 2 AS `a day`"
    spark.sql(f"SELECT {made} FROM range(4)").coalesce(1).write.parquet(f"{tmp_path}/source")
    told = []
    words = {"key": ["a key"], "partition_by": ["a day"], "on_message": told.append}
    target = f"delta:{tmp_path}/target"
    words.update(mode="merge", incremental="missing", verify=2, run_id="1")
    report = score_plain(view, target, **words)
    assert (report.n_inserted, report.verified) == (4, (2, 0))
    assert sum("a key is a_key, a (struct) is a__struct_" in text for text in told) == 1
    table = f"delta.`{tmp_path}/target`"
    assert rows(spark, f"SELECT a_key, a__struct_.f_g, a_day FROM {table}")[3] == (3, 3, 1)
    schema = spark.table(table).schema
    assert schema["a_key"].metadata["comment"] == "a key"
    assert spark.sql(f"DESCRIBE DETAIL {table}").first()["partitionColumns"] == ["a_day"]
    assert score_plain(view, target, **{**words, "run_id": "2"}).status == "nothing to do"
    only = {"mode": "overwrite-partitions", "incremental": None, "verify": 0, "run_id": "3"}
    assert score_plain(view, target, **{**words, **only}, where="`a day` = 1").n_rows == 2


@pytest.mark.long
def test_with_column_mapping_delta_takes_every_name(spark, score_plain, tmp_path):
    """In a new table and in one that is there."""
    view = f"parquet:{tmp_path}/source"
    made = "id AS `a key`, 1.0 AS x, named_struct('f g', id) AS `a (struct)`"
    spark.sql(f"SELECT {made} FROM range(4)").coalesce(1).write.parquet(f"{tmp_path}/source")
    mapped = f"delta:{tmp_path}/mapped"
    options = {"delta.columnMapping.mode": "name"}
    assert (
        score_plain(view, mapped, key=["a key"], mode="merge", target_options=options).n_rows == 4
    )
    assert spark.table(f"delta.`{tmp_path}/mapped`").columns[0] == "a key"
    assert score_plain(view, mapped, key=["a key"], mode="merge", run_id="2").n_rows == 0


@pytest.mark.parametrize("kind", ["delta", long("parquet")])
def test_names_are_told_apart_as_spark_does(spark, score_plain, source, tmp_path, kind):
    """By letters and not by case: in the key, kept, partitions, since, and those of the target."""
    path = source("SELECT id AS Id, id * 1.0 AS x, id % 2 AS Day, id AS n FROM range(4)")
    words = {"key": ["ID"], "keep": ["iD", "DAY", "N"], "mode": "append"}
    words.update(partition_by=["day"], incremental="since", since="N")
    target = f"{kind}:{tmp_path}/{kind}"
    assert score_plain(f"delta:{path}", target, **words, where="n < 2").n_rows == 2
    found = TableName.of(target).read(spark)
    assert set(found.columns[:3]) <= {"Id", "Day", "n", "prediction"}
    again = {"key": ["id"], "keep": ["id", "day", "n"], "mode": "append", "run_id": "2"}
    assert score_plain(f"delta:{path}", target, **again).n_rows == 4
    assert TableName.of(target).read(spark).count() == 6
    with pytest.raises(DaiSparkError, match="lacks columns that are to be kept: idd"):
        score_plain(
            f"delta:{path}",
            target,
            **{**again, "key": ["idd"], "keep": ["id", "idd"], "run_id": "3"},
        )


def created(spark, name):
    """A Delta table with whatever Delta lets a column be, through its own builder."""
    tables = spark._jvm.io.delta.tables.DeltaTable
    made = tables.create(spark._jsparkSession).tableName(name)

    def column(name, kind, more=lambda it: it):
        return more(tables.columnBuilder(name).dataType(kind)).build()

    twice, number = lambda c: c.generatedAlwaysAs("id * 2"), lambda c: c.generatedAlwaysAsIdentity()
    made = made.addColumn(column("id", "bigint", lambda c: c.nullable(False)))
    made = made.addColumn(column("v", "bigint"))
    made = made.addColumn(column("twice", "bigint", twice))
    made.addColumn(column("number", "bigint", number)).addColumn(column("note", "string")).execute()
    feature = "'delta.feature.allowColumnDefaults' = 'supported'"
    spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ({feature})")
    spark.sql(f"ALTER TABLE {name} ADD COLUMN seven INT")
    spark.sql(f"ALTER TABLE {name} ALTER COLUMN seven SET DEFAULT 7")
    spark.sql(f"ALTER TABLE {name} ADD COLUMNS (s VARCHAR(3), prediction STRUCT<y: FLOAT>)")
    spark.sql(f"ALTER TABLE {name} ADD CONSTRAINT small CHECK (v < 10)")


@pytest.mark.parametrize("way", ["append", long("merge"), long("dry run")])
def test_what_a_delta_table_demands_is_told_before_scoring(spark, score_plain, source, named, way):
    """CHECK, NOT NULL, lengths, generated values; by a dry run as well, with an offending value."""
    target = named("delta")
    created(spark, target)
    bad = source(
        "SELECT * FROM VALUES (1L, 3L, 'abc', 2L, 1.0), (NULL, 3L, 'abc', NULL, 1.0), "
        "(3L, 12L, 'abc', 6L, 1.0), (4L, 3L, 'abcd', 8L, 1.0), (5L, 3L, 'abc', 11L, 1.0) "
        "AS t(id, v, s, twice, x)"
    )
    words = {"mode": "append", "keep": ["id", "v", "s", "twice"], "lineage": False}
    words["run_id"] = "1"
    found = [
        ("id IS NULL", r"1 rows of .* NOT NULL of column id .*such as id = NULL.*DROP NOT NULL"),
        ("id = 3", r"CHECK small \(v < 10\) .*such as .*v = 12; .*--where.*DROP CONSTRAINT small"),
        ("id = 4", r"VARCHAR\(3\) of column s .*such as s = 'abcd'"),
        ("id = 5", r"column twice, GENERATED ALWAYS AS \(id \* 2\), .*twice = 11"),
    ]
    if way == "merge":
        found, words_now = [(None, "NOT NULL")], {**words, "mode": "merge", "key": ["id"]}
    else:
        words_now = {**words, "dry_run": way == "dry run"}
    for where, sentence in found:
        with pytest.raises(TableJobError, match=sentence) as caught:
            score_plain(f"delta:{bad}", target, **words_now, where=where)
        assert caught.value.status == "refused"
    if way != "append":
        return
    report = score_plain(f"delta:{bad}", target, **words, where="id = 1")
    held = [check.found for check in report.checks if check.what == "target demands"]
    assert held[0].startswith("NOT NULL")
    assert rows(spark, f"SELECT id, twice, number, note, seven FROM {target}") == [
        (1, 2, 1, None, 7)
    ]
    numbered = source("SELECT 9L AS id, 1L AS v, 'a' AS s, 18L AS twice, 5L AS number, 1.0 AS x")
    words.update(keep=[*words["keep"], "number"], run_id="2")
    with pytest.raises(TableJobError, match="numbers number itself .*IDENTITY.*--keep"):
        score_plain(f"delta:{numbered}", target, **words)


def test_a_targets_own_columns_are_left_to_it(spark, score_plain, source, named):
    """Defaults, generated and counted ones, and null; one that a run wrote before is missed."""
    target = named("delta")
    created(spark, target)
    path = source("SELECT id, id AS v, 'abc' AS s, 1.0 AS x FROM range(3)")
    words = {"keep": ["id", "v", "s"], "key": ["id"], "lineage": False}
    assert score_plain(f"delta:{path}", target, mode="merge", **words).n_inserted == 3
    query = "SELECT id, twice, number IS NOT NULL, note, seven FROM {}"
    own = [(i, 2 * i, True, None, 7) for i in range(3)]
    assert rows(spark, query.format(target)) == own
    spark.sql(f"UPDATE {target} SET note = 'kept' WHERE id = 1")
    spark.sql(f"UPDATE delta.`{path}` SET v = 9 WHERE id = 1")
    assert score_plain(f"delta:{path}", target, mode="merge", **words).n_updated == 1
    assert rows(spark, f"SELECT id, v, note FROM {target}")[1] == (1, 9, "kept")
    with pytest.raises(TableJobError, match=r"s: target string, scored has none.*bring s back in"):
        score_plain(f"delta:{path}", target, mode="append", keep=["id", "v"], lineage=False)
    assert score_plain(f"delta:{path}", target, mode="overwrite", **words).n_rows == 3
    assert rows(spark, query.format(target)) == own


def test_files_have_all_columns_of_their_table(spark, score_plain, source, named):
    """Since readers go by the files: null, or the default, in what no run writes."""
    path = source("SELECT id, 1.0 AS x FROM range(3)")
    table = named("parquet")
    spark.sql(
        f"CREATE TABLE {table} (id BIGINT, note STRING, seven INT DEFAULT 7, "
        "prediction STRUCT<y: FLOAT>) USING parquet"
    )
    words = {"mode": "append", "keep": ["id"], "lineage": False}
    assert score_plain(f"delta:{path}", table, **words).n_rows == 3
    assert rows(spark, f"SELECT id, note, seven FROM {table}") == [(i, None, 7) for i in range(3)]


@pytest.mark.long
def test_files_of_a_path_have_all_columns_of_the_others(spark, score_plain, source, tmp_path):
    """Where no catalog says which columns a table has, its files do."""
    path = source("SELECT id, 1.0 AS x FROM range(3)")
    other = f"parquet:{tmp_path}/own"
    frame = spark.sql("SELECT 7L AS id, 'n' AS note, named_struct('y', 1.0F) AS prediction")
    frame.write.parquet(f"{tmp_path}/own")
    assert (
        score_plain(f"delta:{path}", other, mode="append", keep=["id"], lineage=False).n_rows == 3
    )
    found = spark.read.parquet(f"{tmp_path}/own")
    assert (found.count(), found.where("note IS NULL").count()) == (4, 3)


@pytest.mark.parametrize("kind", ["iceberg"])
def test_what_iceberg_demands_and_has_for_itself(spark, score_plain, source, named, kind):
    """Required columns, and optional ones that no run writes."""
    target = named(kind)
    spark.sql(f"CREATE TABLE {target} (id BIGINT NOT NULL, own STRING) USING iceberg")
    spark.sql(f"ALTER TABLE {target} ADD COLUMN prediction STRUCT<y: FLOAT>")
    path = source("SELECT nullif(id, 2) AS id, 1.0 AS x FROM range(3)")
    words = {"keep": ["id"], "lineage": False, "mode": "append", "run_id": "1"}
    with pytest.raises(TableJobError, match=r"NOT NULL of column id .*such as id = NULL"):
        score_plain(f"delta:{path}", target, **words)
    assert score_plain(f"delta:{path}", target, **words, where="id IS NOT NULL").n_rows == 2
    more = {**words, "mode": "merge", "key": ["id"], "where": "id IS NOT NULL"}
    assert score_plain(f"delta:{path}", target, **more).n_rows is None or True
    assert rows(spark, f"SELECT id, own FROM {target}") == [(0, None), (1, None)]
    spark.sql(f"ALTER TABLE {target} ADD COLUMN must STRING")
    assert score_plain(f"delta:{path}", target, **{**more, "run_id": "3"}).status == "done"


@pytest.mark.parametrize("kind", [long("delta"), "iceberg"])
def test_a_wider_type_wants_to_be_allowed(spark, score_plain, source, named, kind):
    """Of int to bigint, in a struct as well: --evolve-schema, or what makes the format able."""
    target = named(kind)
    narrow = source(
        "SELECT cast(id AS int) AS id, 1.0 AS x, named_struct('a', 1) AS s FROM range(2)"
    )
    wide = source("SELECT id, 1.0 AS x, named_struct('a', 5000000000L) AS s FROM range(2, 4)")
    words = {"mode": "merge", "key": ["id"], "target_format": kind}
    score_plain(f"delta:{narrow}", target, **words)
    if kind == "delta":
        with pytest.raises(TableJobError, match="id: target int, scored bigint.*TypeWidening"):
            score_plain(f"delta:{wide}", target, **words, evolve_schema=True)
        spark.sql(f"ALTER TABLE {target} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')")
    with pytest.raises(TableJobError, match=r"allow the wider type \(--evolve-schema\)"):
        score_plain(f"delta:{wide}", target, **words)
    score_plain(f"delta:{wide}", target, **words, evolve_schema=True)
    assert dict(spark.table(target).dtypes)["id"] == "bigint"
    assert rows(spark, f"SELECT id, s.a FROM {target}")[1:3] == [(1, 1), (2, 5000000000)]
    with pytest.raises(TableJobError, match="id: target bigint, scored int"):
        score_plain(f"delta:{narrow}", target, **{**words, "evolve_schema": True, "run_id": "4"})


@pytest.mark.parametrize("mode", ["append", long("fail")])
def test_a_failed_first_run_leaves_nothing(spark, score_plain, source, named, tmp_path, mode):
    """Neither an empty table of a catalog, nor a folder of files that nobody reads."""
    path = source("SELECT id, 1.0 AS x FROM range(9)")
    where = "assert_true(id < 5) IS NULL"
    for target in (named("delta"), f"delta:{tmp_path}/new"):
        with pytest.raises(DaiSparkError, match="assert_true|'id < 5'|is not true"):
            score_plain(f"delta:{path}", target, mode=mode, where=where, target_format="delta")
        assert TableName.of(target).schema_if_exists(spark) is None
    assert not (tmp_path / "new").exists()
    assert score_plain(f"delta:{path}", target, where="id < 5").n_rows == 5


@pytest.mark.parametrize("kind", ["delta", long("iceberg")])
def test_a_merge_that_another_writer_overtakes_is_made_again(
    spark, score_plain, source, named, monkeypatch, tmp_path, kind
):
    """From the staged rows: a message says so, and nothing is scored twice."""
    from dai_spark.table_job.targets import delta, iceberg

    path = source("SELECT id, 1.0 AS x, 'new' AS v FROM range(4)")
    target = named(kind)
    spark.sql(
        f"CREATE TABLE {target} AS SELECT id, 'old' AS v, named_struct('y', 0.0F) AS prediction "
        "FROM range(3)"
        if kind == "iceberg"
        else f"CREATE TABLE {target} USING delta AS SELECT id, 'old' AS v, named_struct('y', 0.0F) "
        "AS prediction FROM range(3)"
    )
    begun, go = str(tmp_path / "begun"), str(tmp_path / "go")

    def wait(value):
        import time
        from pathlib import Path

        Path(begun).touch()
        limit = time.monotonic() + 60
        while not Path(go).exists() and time.monotonic() < limit:
            time.sleep(0.05)
        return True

    spark.udf.register("wait_for_other", wait, "boolean")
    module = {"delta": delta, "iceberg": iceberg}[kind]
    real = module.merge_statement

    def slowly(*arguments):
        # The first MERGE is in the middle of its reading when the other writer commits.
        monkeypatch.setattr(module, "merge_statement", real)
        return real(*arguments).replace(
            "WHEN MATCHED AND (", "WHEN MATCHED AND wait_for_other(t.v) AND ("
        )

    monkeypatch.setattr(module, "merge_statement", slowly)
    told, reports = [], []
    words = {"mode": "merge", "key": ["id"], "keep": ["id", "v"], "lineage": False}
    words["on_message"] = told.append

    def run():
        reports.append(score_plain(f"delta:{path}", target, **words))

    thread = threading.Thread(target=run)
    thread.start()
    limit = time.monotonic() + 120
    while not (tmp_path / "begun").exists() and thread.is_alive() and time.monotonic() < limit:
        time.sleep(0.05)
    spark.sql(f"DELETE FROM {target} WHERE id = 0")
    (tmp_path / "go").touch()
    thread.join()
    assert sum("another writer has changed" in text for text in told) == 1
    assert (reports[0].status, reports[0].n_scored) == ("done", 4)
    assert rows(spark, f"SELECT id, v FROM {target}") == [(i, "new") for i in range(4)]
