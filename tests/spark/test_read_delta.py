"""Delta tables whose files tasks read themselves: the snapshot's, and no row that it has not."""

import uuid

import pytest
from both_readings import chosen, read_both

from dai_spark.driver.file_reader import listed_files


@pytest.fixture
def delta(spark, tmp_path):
    """A function that makes a Delta table with these properties, and the table's name."""
    made = []

    def make(columns="x bigint, s string, p int", behind="PARTITIONED BY (p)", **properties):
        name = f"spark_catalog.default.read_delta_{uuid.uuid4().hex[:8]}"
        properties = {"delta.enableDeletionVectors": "false", **properties}
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        spark.sql(f"CREATE TABLE {name} ({columns}) USING delta {behind} TBLPROPERTIES ({listed})")
        made.append(name)
        return name

    yield make
    for name in made:
        spark.sql(f"DROP TABLE {name}")


def test_a_snapshot_is_read_and_not_what_lies_beside_it(spark, delta):
    """Rewritten, deleted, of an older version, by name and by path; values of partitions."""
    name = delta()
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a', 1), (2, NULL, NULL), (3, 'c', 1)")
    spark.sql(f"UPDATE {name} SET s = 'b' WHERE x = 1")
    spark.sql(f"DELETE FROM {name} WHERE x = 3")
    assert sorted(row[0] for row in read_both(spark.table(name))) == [1, 2]
    old = spark.sql(f"SELECT * FROM {name} VERSION AS OF 1")
    assert sorted(row[0] for row in read_both(old)) == [1, 2, 3]
    path = spark.sql(f"DESCRIBE DETAIL {name}").collect()[0]["location"]
    by_path = spark.read.format("delta").option("versionAsOf", 1).load(path)
    assert sorted(row[0] for row in read_both(by_path)) == [1, 2, 3]
    assert len(read_both(spark.read.format("delta").load(path), ["p"])) == 2
    assert chosen(spark.table(name).where("x = 1")).way == "spark"


def test_deletion_vectors_are_sparks_to_apply(spark, delta):
    """A table that has one; a table that may have them and has none is read."""
    name = delta("x bigint", "", **{"delta.enableDeletionVectors": "true"})
    spark.sql(f"INSERT INTO {name} SELECT id FROM range(0, 100, 1, 1)")
    assert len(read_both(spark.table(name))) == 100
    spark.sql(f"DELETE FROM {name} WHERE x = 7")
    reading = chosen(spark.table(name))
    assert reading.way == "spark"
    assert spark.table(name).count() == 99


@pytest.mark.long
@pytest.mark.parametrize("mode", ["name", "id"])
def test_mapped_columns_are_sparks_to_find(spark, delta, mode):
    """Their names in the files are others."""
    name = delta("x bigint", "", **{"delta.columnMapping.mode": mode})
    spark.sql(f"INSERT INTO {name} VALUES (1)")
    assert f"Delta maps its columns by {mode}" in chosen(spark.table(name)).why


@pytest.mark.long
def test_rows_that_have_numbers_and_columns_that_were_added(spark, delta):
    """Row tracking tells a reader more of a file; a column that a file lacks is null."""
    name = delta("x bigint", "", **{"delta.enableRowTracking": "true"})
    spark.sql(f"INSERT INTO {name} VALUES (1)")
    spark.sql(f"ALTER TABLE {name} ADD COLUMNS (y string)")
    spark.sql(f"INSERT INTO {name} VALUES (2, 'b')")
    assert read_both(spark.table(name)) == [(1, None), (2, b"b")]


def test_what_delta_tells_of_a_file_is_known_or_sparks():
    """Numbers of rows change no value; anything else may."""
    assert listed_files._NUMBERS.fullmatch("base_row_id -> 0, default_row_commit_version -> 1")
    assert not listed_files._NUMBERS.fullmatch("row_index_filter_type -> IF_CONTAINED")
