"""Iceberg tables whose files tasks read themselves: the snapshot's, their columns by field id."""

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_readings import chosen, given_rows, read_both

from dai_spark.client.read_files.unproved import Unproved
from dai_spark.driver.file_reader import iceberg_files
from dai_spark.driver.file_reader.scan_plan import Scan


@pytest.fixture
def iceberg(spark):
    """A function that makes an Iceberg table with these properties, and the table's name."""
    made = []

    def make(columns="x bigint, s string", behind="", **properties):
        name = f"ice.db.read_{uuid.uuid4().hex[:8]}"
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        told = f"TBLPROPERTIES ({listed})" if listed else ""
        spark.sql(f"CREATE TABLE {name} ({columns}) USING iceberg {behind} {told}")
        made.append(name)
        return name

    yield make
    for name in made:
        spark.sql(f"DROP TABLE {name} PURGE")


def location_of(spark, name):
    """The folder of a table, with its files in data/."""
    rows = spark.sql(f"DESCRIBE EXTENDED {name}").collect()
    return next(row["data_type"] for row in rows if row["col_name"] == "Location")


def snapshots_of(spark, name):
    """The ids of a table's snapshots, in their order."""
    rows = spark.sql(f"SELECT snapshot_id FROM {name}.snapshots ORDER BY committed_at").collect()
    return [row[0] for row in rows]


def data_files_of(spark, name):
    """The paths of a table's files."""
    return sorted(row[0] for row in spark.sql(f"SELECT file_path FROM {name}.files").collect())


def test_columns_are_found_by_field_id(spark, iceberg):
    """Renamed; dropped and added again under its old name; two that have changed their names."""
    name = iceberg("a bigint, b bigint, c string, d string")
    spark.sql(f"INSERT INTO {name} VALUES (1, 10, 'c', 'd')")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN a TO t")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN b TO a")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN t TO b")
    spark.sql(f"ALTER TABLE {name} DROP COLUMN c")
    spark.sql(f"ALTER TABLE {name} ADD COLUMN c string")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN d TO `d.e ``f``  \u00e9`")
    spark.sql(f"INSERT INTO {name} VALUES (2, 20, NULL, 'new')")
    odd = "d.e `f`  \u00e9"
    rows = read_both(spark.table(name), ["b", "a", "c", odd])
    assert rows == [(1, 10, None, b"d"), (2, 20, b"new", None)]
    assert read_both(spark.table(name), ["c", "b", "c"]) == [(None, 1, None), (b"new", 2, b"new")]


def test_a_column_that_files_lack_is_null(spark, iceberg):
    """Added behind the first file; by itself it is read from none."""
    name = iceberg("x bigint")
    spark.sql(f"INSERT INTO {name} VALUES (1)")
    spark.sql(f"ALTER TABLE {name} ADD COLUMN y decimal(9,2)")
    spark.sql(f"INSERT INTO {name} VALUES (2, 1.5)")
    assert len(read_both(spark.table(name))) == 2
    assert len(read_both(spark.table(name), ["y"])) == 2


PROMOTED = [
    ("int", "bigint", ["-2147483648", "2147483647", "0", "NULL"]),
    ("float", "double", ["float('NaN')", "float('-Infinity')", "float('-0.0')", "1.1f", "1e-45f"]),
    ("decimal(9,2)", "decimal(18,2)", ["9999999.99", "-9999999.99", "NULL"]),
    ("decimal(18,3)", "decimal(38,3)", ["999999999999999.999", "-0.001", "NULL"]),
    ("decimal(5,0)", "decimal(10,0)", ["99999", "-99999", "NULL"]),
]


@pytest.mark.parametrize("is_vectorized", ["true", pytest.param("false", marks=pytest.mark.long)])
def test_promoted_types_are_read_as_iceberg_widens_them(spark, conf, iceberg, is_vectorized):
    """Each promotion of Iceberg's that Spark has, at the ends of the narrower type."""
    conf(spark__sql__iceberg__vectorization__enabled=is_vectorized)
    name = iceberg(", ".join(f"c{i} {old}" for i, (old, _, _) in enumerate(PROMOTED)))
    for k in range(5):
        values = [values[k % len(values)] for _, _, values in PROMOTED]
        spark.sql(f"INSERT INTO {name} VALUES ({', '.join(values)})")
    for i, (_, new, _) in enumerate(PROMOTED):
        spark.sql(f"ALTER TABLE {name} ALTER COLUMN c{i} TYPE {new}")
    spark.sql(f"INSERT INTO {name} SELECT * FROM {name}")
    assert [kind for _, kind in spark.table(name).dtypes] == [new for _, new, _ in PROMOTED]
    assert len(read_both(spark.table(name))) == 10


EVERY = {
    "truth": ("boolean", ["true", "false"]),
    "plain": ("int", ["-2147483648", "2147483647"]),
    "big": ("bigint", ["-9223372036854775808", "9223372036854775807"]),
    "real": ("float", ["float('NaN')", "float('-0.0')"]),
    "double": ("double", ["double('NaN')", "double('-0.0')"]),
    "text": ("string", ["'é😀'", "''"]),
    "no text": ("string", ["CAST(X'fffe00' AS string)", "'a'"]),
    "bytes": ("binary", ["X'fffe00'", "X''"]),
    "decimal in 4": ("decimal(9,2)", ["9999999.99", "-9999999.99"]),
    "decimal in 8": ("decimal(18,0)", ["999999999999999999", "-1"]),
    "decimal in 16": ("decimal(38,18)", ["99999999999999999999.999999999999999999", "-1"]),
    "day": ("date", ["date'0001-01-01'", "date'9999-12-31'"]),
    "old day": ("date", ["date'1582-10-04'", "date'1582-10-15'"]),
    "instant": (
        "timestamp",
        ["timestamp'0001-01-01 00:00:00Z'", "timestamp'1582-10-04 12:00:00Z'"],
    ),
    "late": (
        "timestamp",
        ["timestamp'9999-12-31 23:59:59.999999Z'", "timestamp'1970-01-01 00:00:00Z'"],
    ),
    "local": ("timestamp_ntz", ["timestamp_ntz'0001-01-01'", "timestamp_ntz'9999-12-31 01:02:03'"]),
}


@pytest.mark.parametrize(
    ("is_vectorized", "codec"),
    [
        ("true", "zstd"),
        pytest.param("false", "gzip", marks=pytest.mark.long),
        pytest.param("true", "snappy", marks=pytest.mark.long),
        pytest.param("true", "uncompressed", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("mode", ["EXCEPTION", pytest.param("LEGACY", marks=pytest.mark.long)])
def test_every_type_is_read_alike(spark, conf, iceberg, is_vectorized, codec, mode):
    """As Iceberg writes it, whatever Spark's settings say of other calendars."""
    conf(spark__sql__parquet__datetimeRebaseModeInRead=mode)
    conf(spark__sql__iceberg__vectorization__enabled=is_vectorized)
    listed = ", ".join(f"`{column}` {kind}" for column, (kind, _) in EVERY.items())
    name = iceberg(listed, **{"write.parquet.compression-codec": codec})
    rows = [", ".join(values[k] for _, values in EVERY.values()) for k in range(2)]
    rows.append(", ".join("NULL" for _ in EVERY))
    spark.sql(f"INSERT INTO {name} VALUES ({'), ('.join(rows)})")
    assert len(read_both(spark.table(name))) == 3


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("array<int>", "array(1)"),
        pytest.param("struct<a: int>", "named_struct('a', 1)", marks=pytest.mark.long),
        pytest.param("map<string, int>", "map('a', 1)", marks=pytest.mark.long),
    ],
)
def test_other_types_are_sparks_to_read(spark, iceberg, kind, value):
    """What is nested; a column beside it is read, though its fields have ids, too."""
    name = iceberg(f"n {kind}, x bigint, m {kind}")
    spark.sql(f"INSERT INTO {name} VALUES ({value}, 7, {value})")
    assert "column n is" in chosen(spark.table(name)).why
    assert read_both(spark.table(name), ["x"]) == [(7,)]


PARTED = [
    ("identity", "s", "string", ["'a/b =%é'", "'01'", "NULL", "''"]),
    ("identity", "p", "int", ["1", "-2147483648", "NULL", "0"]),
    ("identity", "d", "date", ["date'1500-01-01'", "date'2024-02-29'", "NULL", "date'9999-12-31'"]),
    ("identity", "n", "decimal(12,3)", ["1.5", "-999999999.999", "NULL", "0"]),
    ("identity", "t", "boolean", ["true", "false", "NULL", "true"]),
    ("identity", "ts", "timestamp", ["timestamp'1500-01-01 01:02:03.456789'"] * 3 + ["NULL"]),
    ("identity", "tl", "timestamp_ntz", ["timestamp_ntz'1500-01-01 01:02:03.456789'"] * 4),
    ("bucket(2, {})", "k", "bigint", ["1", "2", "NULL", "3"]),
    ("days({})", "at", "timestamp", ["timestamp'1969-12-31 23:00:00'", "current_timestamp()"] * 2),
    ("truncate(1, {})", "w", "string", ["'abc'", "'abd'", "NULL", "'b'"]),
]


@pytest.mark.parametrize("which", ["all", pytest.param("each", marks=pytest.mark.long)])
def test_partitioned_tables(spark, iceberg, which):
    """By identity in every type, by bucket, day and beginnings; nulls; only such columns."""
    for parts in [PARTED] if which == "all" else [[one] for one in PARTED]:
        columns = ", ".join(["x bigint", *(f"{column} {kind}" for _, column, kind, _ in parts)])
        by = [column if how == "identity" else how.format(column) for how, column, _, _ in parts]
        name = iceberg(columns, f"PARTITIONED BY ({', '.join(by)})")
        rows = [", ".join([str(k), *(values[k] for *_, values in parts)]) for k in range(4)]
        spark.sql(f"INSERT INTO {name} VALUES ({'), ('.join(rows)})")
        assert len(read_both(spark.table(name))) == 4
        assert len(read_both(spark.table(name), [column for _, column, _, _ in parts])) == 4


def test_values_that_files_are_listed_with(spark, iceberg):
    """A renamed and promoted one; floats and bytes are Spark's; so is what only some have."""
    name = iceberg("x bigint, p int, f double, b binary", "PARTITIONED BY (p)")
    spark.sql(f"INSERT INTO {name} VALUES (1, 10, 1.5, X'ff'), (2, NULL, 1.5, X'ff')")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN p TO q")
    spark.sql(f"ALTER TABLE {name} ALTER COLUMN q TYPE bigint")
    spark.sql(f"INSERT INTO {name} VALUES (3, 5000000000, 1.5, X'ff')")
    assert sorted(row[0] for row in read_both(spark.table(name), ["x", "q"])) == [1, 2, 3]
    spark.sql(f"ALTER TABLE {name} REPLACE PARTITION FIELD q WITH bucket(4, q)")
    assert len(read_both(spark.table(name), ["x", "q"])) == 3
    spark.sql(f"INSERT INTO {name} VALUES (4, 4, 1.5, X'ff')")
    assert "some of its files are listed by column q" in chosen(spark.table(name)).why
    assert len(read_both(spark.table(name), ["x", "f", "b"])) == 4
    for column in "fb":
        odd = iceberg("x bigint, f double, b binary", f"PARTITIONED BY ({column})")
        spark.sql(f"INSERT INTO {odd} VALUES (1, 1.5, X'ff')")
        assert f"column {column}, by which files are listed" in chosen(spark.table(odd)).why


def test_the_snapshot_that_sparks_plan_has_is_read(spark, iceberg, tmp_path):
    """Of a version, a time, a branch, a tag; by path; with the columns that it had."""
    name = iceberg()
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a')")
    spark.sql(f"ALTER TABLE {name} CREATE TAG first")
    spark.sql(f"ALTER TABLE {name} CREATE BRANCH other")
    spark.sql(f"INSERT INTO {name} VALUES (2, 'b')")
    spark.sql(f"INSERT INTO {name}.branch_other VALUES (3, 'c')")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN s TO text")
    old = snapshots_of(spark, name)[0]

    def ids(frame):
        return [row[0] for row in read_both(frame)]

    assert ids(spark.table(name)) == [1, 2]
    by_version = spark.sql(f"SELECT * FROM {name} VERSION AS OF {old}")
    assert by_version.columns == ["x", "s"]
    assert read_both(by_version) == [(1, b"a")]
    assert ids(spark.sql(f"SELECT * FROM {name} VERSION AS OF 'first'")) == [1]
    assert ids(spark.table(f"{name}.branch_other")) == [1, 3]
    assert ids(spark.table(f"{name}.tag_first")) == [1]
    assert ids(spark.read.format("iceberg").load(name)) == [1, 2]
    path = location_of(spark, name)
    assert ids(spark.read.format("iceberg").load(path)) == [1, 2]
    assert ids(spark.read.option("versionAsOf", str(old)).format("iceberg").load(path)) == [1]
    # Chosen before another commit: the files of that moment.
    reading = chosen(spark.table(name), "files")
    spark.sql(f"DELETE FROM {name} WHERE x = 1")
    assert [row[0] for row in given_rows(reading)[0]] == [1, 2]


def test_rows_that_are_deleted(spark, iceberg):
    """In files that are written anew: read.  Beside the files: Spark's."""
    for version in ("2", "3"):
        words = {"format-version": version, "write.delete.mode": "copy-on-write"}
        name = iceberg("x bigint", **words)
        spark.sql(f"INSERT INTO {name} SELECT id FROM range(0, 100, 1, 1)")
        spark.sql(f"DELETE FROM {name} WHERE x = 7")
        assert len(read_both(spark.table(name))) == 99
        spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
        spark.sql(f"DELETE FROM {name} WHERE x = 8")
        reading = chosen(spark.table(name))
        assert (reading.way, "are deleted beside it" in reading.why) == ("spark", True)
        assert len(given_rows(reading)[0]) == 98


def test_tables_without_rows(spark, iceberg):
    """Never written; emptied; with files that have none."""
    name = iceberg()
    assert read_both(spark.table(name)) == []
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a')")
    spark.sql(f"DELETE FROM {name}")
    assert read_both(spark.table(name)) == []
    assert len(snapshots_of(spark, name)) == 2


def test_more_than_a_scan_is_sparks(spark, iceberg):
    """Conditions, metadata, changes between snapshots, and Iceberg's tables of its own facts."""
    name = iceberg("x bigint, p int", "PARTITIONED BY (p)")
    spark.sql(f"INSERT INTO {name} VALUES (1, 1), (2, 2)")
    spark.sql(f"INSERT INTO {name} VALUES (3, 3)")
    first, last = snapshots_of(spark, name)
    table = spark.table(name)
    assert "more than a scan of files: Filter" in chosen(table.where("p = 1")).why
    assert "more than a scan of files" in chosen(table.limit(1)).why
    assert "a column is computed" in chosen(table.selectExpr("x + 1 AS x")).why
    for column in ("_file", "_pos", "_spec_id", "_partition"):
        assert "a column is computed" in chosen(table.select("x", column)).why
        assert read_both(table, ["x"]) == [(1,), (2,), (3,)]
    facts = {"files": "file_path", "snapshots": "snapshot_id", "partitions": "record_count"}
    for other, column in {**facts, "entries": "snapshot_id"}.items():
        assert (
            "Iceberg reads it by a" in chosen(spark.table(f"{name}.{other}"), "auto", [column]).why
        )
    words = {"start-snapshot-id": str(first), "end-snapshot-id": str(last)}
    part = spark.read.format("iceberg").options(**words).load(name)
    assert "options that only Spark knows: end-snapshot-id" in chosen(part).why
    assert [row[0] for row in given_rows(chosen(part))[0]] == [3]


def test_a_condition_that_the_scan_has_taken_in_is_seen(spark, iceberg):
    """Where Iceberg leaves out files by it, Spark's plan shows no filter any more."""
    name = iceberg("x bigint, p int", "PARTITIONED BY (p)")
    spark.sql(f"INSERT INTO {name} VALUES (1, 1), (2, 2)")

    def planned(frame):
        plan = frame._jdf.queryExecution().optimizedPlan()
        assert "Filter" not in plan.toString()
        while not plan.children().isEmpty():
            plan = plan.children().head()
        return Scan(plan.relation(), ("x", "p"), plan.scan(), True)

    kinds = ("bigint", "int")
    assert len(iceberg_files.iceberg_files(planned(spark.table(name)), kinds).files) == 2
    with pytest.raises(Unproved, match="Iceberg leaves some of its rows out"):
        iceberg_files.iceberg_files(planned(spark.table(name).where("p = 1")), kinds)
    for told in ("t (branch=null) [filters=, groupedBy=p, q]", "t [filters=, groupedBy=]"):
        assert iceberg_files._UNFILTERED.search(told)
    for told in ("t (branch=null) [filters=p = 1, groupedBy=]", "t [filters=, groupedBy=] x"):
        assert not iceberg_files._UNFILTERED.search(told)


def test_files_without_field_ids_are_sparks(spark, iceberg, tmp_path):
    """Of another writer, taken in as they are: by a mapping of names, or by places."""
    name = iceberg()
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a')")
    (tmp_path / "t").mkdir()
    pq.write_table(pa.table({"x": [2], "s": ["b"]}), tmp_path / "t" / "a.parquet")
    spark.sql(
        f"CALL ice.system.add_files(table => '{name.partition('.')[2]}', "
        f"source_table => '`parquet`.`{tmp_path}/t`')"
    )
    reading = chosen(spark.table(name))
    assert (reading.way, "without a field id" in reading.why) == ("spark", True)
    assert [row[0] for row in given_rows(reading)[0]] == [1, 2]


def with_ids(columns):
    """A table of Arrow's whose columns have field ids: name to (id, values)."""
    fields = [
        pa.field(name, array.type, metadata={"PARQUET:field_id": str(i)})
        for name, (i, array) in columns.items()
    ]
    return pa.Table.from_arrays([array for _, array in columns.values()], schema=pa.schema(fields))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"x": (1, pa.array([1, 2], pa.int32())), "y": (2, pa.array(["a", None]))}, None),
        ({"y": (2, pa.array(["a"])), "other": (1, pa.array([1]))}, None),
        ({"x": (9, pa.array([1])), "y": (2, pa.array(["a"]))}, None),
        ({"x": (1, pa.array([1])), "y": (2, pa.array([b"a"]))}, "column s is string to Spark"),
        ({"x": (1, pa.array([1], pa.uint32())), "y": (2, pa.array(["a"]))}, "is bigint to Spark"),
        ({"x": (1, pa.array([1], pa.int16())), "y": (2, pa.array(["a"]))}, "is bigint to Spark"),
        ({"i": (3, pa.array([1], pa.uint16()))}, "column i is int to Spark"),
        ({"t": (4, pa.array([1], pa.timestamp("ms")))}, "column at is timestamp_ntz to Spark"),
    ],
)
def test_files_of_other_writers_with_field_ids(spark, iceberg, columns, why):
    """Their names do not matter; types that Iceberg does not write are Spark's."""
    name = iceberg("x bigint, s string, i int, at timestamp_ntz")
    spark.sql(f"INSERT INTO {name} VALUES (7, 'own', 1, NULL)")
    (file,) = data_files_of(spark, name)
    replace_file(spark, name, file, with_ids(columns))
    reading = chosen(spark.table(name))
    if why is None:
        assert len(read_both(spark.table(name))) == len(next(iter(columns.values()))[1])
    else:
        assert why in reading.why


def loaded_table(spark, name):
    """Iceberg's own object of a table."""
    java = spark._jvm.org.apache.iceberg.spark.Spark3Util
    return java.loadIcebergTable(spark._jsparkSession, name)


def replace_file(spark, name, file, table, partition=None):
    """Put a file of Arrow's into a table in the place of its only one, by Iceberg's own API."""
    loaded = loaded_table(spark, name)
    path = file.replace(".parquet", "-other.parquet")
    pq.write_table(table, path)
    builder = spark._jvm.org.apache.iceberg.DataFiles.builder(loaded.spec()).withPath(path)
    builder = builder.withFileSizeInBytes(Path(path).stat().st_size).withFormat("PARQUET")
    if partition is not None:
        builder = builder.withPartitionPath(partition)
    new = builder.withRecordCount(table.num_rows).build()
    old = loaded.newScan().planFiles().iterator().next().file()
    loaded.newOverwrite().deleteFile(old).addFile(new).commit()
    spark.sql(f"REFRESH TABLE {name}")
    return new


def test_what_a_file_is_listed_with_counts_and_not_what_is_in_it(spark, iceberg):
    """As to Iceberg: a file may lack the column, or have other values."""
    name = iceberg("x bigint, p int", "PARTITIONED BY (p)")
    spark.sql(f"INSERT INTO {name} VALUES (1, 1)")
    (file,) = data_files_of(spark, name)
    replace_file(spark, name, file, with_ids({"x": (1, pa.array([7]))}), "p=5")
    assert read_both(spark.table(name)) == [(7, 5)]
    odd = {"x": (1, pa.array([8])), "p": (2, pa.array([9], pa.int32()))}
    replace_file(spark, name, file.replace(".parquet", "-2.parquet"), with_ids(odd), "p=6")
    assert read_both(spark.table(name)) == [(8, 6)]


def test_a_file_that_is_there_twice_is_sparks(spark, iceberg):
    """Its rows count twice."""
    name = iceberg("x bigint")
    spark.sql(f"INSERT INTO {name} VALUES (1)")
    (file,) = data_files_of(spark, name)
    new = replace_file(spark, name, file, with_ids({"x": (1, pa.array([7]))}))
    loaded_table(spark, name).newFastAppend().appendFile(new).commit()
    spark.sql(f"REFRESH TABLE {name}")
    reading = chosen(spark.table(name))
    assert (reading.way, "not read once and as a whole" in reading.why) == ("spark", True)
    assert given_rows(reading)[0] == [(7,), (7,)]


def test_a_file_that_is_gone_or_another_is_sparks_to_complain_of(spark, iceberg):
    """Looked at when the job is planned; later its task says so."""
    name = iceberg("x bigint")
    spark.sql(f"INSERT INTO {name} VALUES (1)")
    (file,) = map(Path, data_files_of(spark, name))
    content = file.read_bytes()
    file.write_bytes(b"PAR1" + content)
    assert "has changed since Spark has listed it" in chosen(spark.table(name)).why
    file.write_bytes(content)
    reading = chosen(spark.table(name), "files")
    file.unlink()
    assert "cannot be read here" in chosen(spark.table(name)).why
    with pytest.raises(Exception, match="is no longer there since this job was planned"):
        given_rows(reading)


def test_files_that_another_way_leads_to_are_sparks(spark, conf, iceberg):
    """Iceberg's own clients of object stores, whatever the path of the table."""
    name = iceberg("x bigint")
    spark.sql(f"INSERT INTO {name} VALUES (1)")
    other = f"other_{uuid.uuid4().hex[:8]}"
    given = {"type": "hadoop", "warehouse": str(Path(location_of(spark, name)).parent.parent)}
    given["io-impl"] = "org.apache.iceberg.io.ResolvingFileIO"
    conf(**{f"spark__sql__catalog__{other}": "org.apache.iceberg.spark.SparkCatalog"})
    for key, value in given.items():
        spark.conf.set(f"spark.sql.catalog.{other}.{key}", value)
    frame = spark.table(name.replace("ice.", f"{other}."))
    assert "Iceberg reads its files by ResolvingFileIO" in chosen(frame).why
    assert given_rows(chosen(frame))[0] == [(1,)]


def test_defaults_and_what_is_required_are_sparks(spark, iceberg):
    """A column that files lack has a default of the table's; a required one must be there."""
    name = iceberg(**{"format-version": "3"})
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a')")
    jvm, loaded = spark._jvm, loaded_table(spark, name)
    kind = getattr(jvm.org.apache.iceberg.types, "Types$LongType").get()
    literal = jvm.org.apache.iceberg.expressions.Expressions.lit(5)
    loaded.updateSchema().addColumn("y", kind, None, literal).commit()
    spark.sql(f"REFRESH TABLE {name}")
    reading = chosen(spark.table(name))
    assert "column y has a default" in reading.why
    assert given_rows(reading)[0] == [(1, b"a", 5)]
    assert read_both(spark.table(name), ["x"]) == [(1,)]
    evolved = loaded.updateSchema().allowIncompatibleChanges().addRequiredColumn("z", kind)
    evolved.commit()
    spark.sql(f"REFRESH TABLE {name}")
    assert "column z is required" in chosen(spark.table(name), columns=["z"]).why


def test_files_of_another_format_are_sparks(spark, iceberg):
    """ORC, which Iceberg has beside Parquet."""
    name = iceberg(**{"write.format.default": "orc"})
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a')")
    assert "DATA in ORC" in chosen(spark.table(name)).why


def test_a_large_file_is_read_once(spark, iceberg):
    """Iceberg cuts it into pieces, of which each row group is in one."""
    name = iceberg(
        "x bigint",
        **{"write.parquet.row-group-size-bytes": "20000", "read.split.target-size": "30000"},
    )
    spark.sql(f"INSERT INTO {name} SELECT hash(id) FROM range(0, 50000, 1, 1)")
    assert len(data_files_of(spark, name)) == 1
    assert pq.ParquetFile(data_files_of(spark, name)[0]).num_row_groups > 3
    assert len(read_both(spark.table(name))) == 50000


def test_what_is_elsewhere_is_sparks():
    """A path of another file system, of another host, or of a default that is not this one's."""
    local = iceberg_files._local_path
    assert local("/a b/%20", "file:///") == "/a b/%20"
    assert local("file:/a", "hdfs://n") == local("file:///a", "hdfs://n") == "/a"
    for location, default in (
        ("/a", "hdfs://n"),
        ("s3://b/a", "file:///"),
        ("file://host/a", "file:///"),
        ("//host/a", "file:///"),
    ):
        with pytest.raises(Unproved, match="not in the local file system"):
            local(location, default)
