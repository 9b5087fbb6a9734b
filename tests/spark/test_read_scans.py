"""Which DataFrames tasks read themselves, how many tasks, and what if a file changes."""

import dataclasses
import os
import shutil
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_readings import chosen, given_rows, read_both, written
from pyspark.sql import functions as F

from dai_spark import score_dataframe
from dai_spark.errors import OptionError, from_spark

SEVEN = [0, 1, 2, 3, 4, 5, None]


def test_what_is_more_than_a_scan_is_sparks_to_read(spark, tmp_path):
    """Filters, expressions, limits, joins, samples, caches, hints, unions, views, metadata."""
    frame = spark.read.parquet(
        written(tmp_path / "t", {"x": pa.array([1, 2]), "y": pa.array([3, 4])})
    )
    frame.createOrReplaceTempView("read_files_view")
    more = {
        "filter": frame.where("x > 1"),
        "limit": frame.limit(1),
        "expression": frame.withColumn("x", F.col("x") + 1),
        "sample": frame.sample(0.5),
        "join": frame.join(frame.select("x"), "x"),
        "union": frame.union(frame),
        "sort": frame.sort("x"),
        "hint": frame.hint("broadcast"),
        "repartition": frame.repartition(2),
        "view": spark.table("read_files_view"),
        "metadata": frame.select("x", "_metadata.file_name"),
        "file name": frame.withColumn("n", F.input_file_name()),
        "observe": frame.observe("seen", F.count(F.lit(1))),
        "csv": spark.createDataFrame([(1,)], "x int"),
        "distinct": frame.distinct(),
    }
    for name, one in more.items():
        assert chosen(one).way == "spark", name
    names = frame.withColumnRenamed("x", "z").select("y", "z", F.col("y").alias("again"))
    assert read_both(names) == [(3, 1, 3), (4, 2, 4)]
    assert chosen(frame, is_together=True).way == "spark"
    cached = frame.select("x").cache()
    try:
        cached.count()
        assert "InMemoryRelation" in chosen(cached).why
    finally:
        cached.unpersist()
    assert chosen(frame).way == "files"


@pytest.mark.parametrize(
    "name",
    [
        "spark.sql.files.ignoreCorruptFiles",
        "spark.sql.files.ignoreMissingFiles",
    ],
)
def test_settings_that_change_spark_reading(spark, conf, tmp_path, name):
    """With them only Spark knows what is read."""
    frame = spark.read.parquet(written(tmp_path / "t", {"x": pa.array([1])}))
    conf(**{name.replace(".", "__"): "true"})
    assert name in chosen(frame).why


@pytest.mark.long
def test_columns_that_are_found_by_number(spark, conf, tmp_path):
    """Field ids count where the table has them, and are passed over where it has none."""
    from pyspark.sql.types import LongType, StructField, StructType

    conf(spark__sql__parquet__fieldId__read__enabled="true")
    conf(spark__sql__parquet__fieldId__write__enabled="true")
    numbered = StructType([StructField("x", LongType(), True, {"parquet.field.id": 7})])
    spark.createDataFrame([(1,)], numbered).write.parquet(str(tmp_path / "t"))
    renamed = StructType([StructField("y", LongType(), True, {"parquet.field.id": 7})])
    frame = spark.read.schema(renamed).parquet(str(tmp_path / "t"))
    assert frame.collect() == [(1,)]
    assert "by a number" in chosen(frame).why
    assert read_both(spark.read.schema("x long").parquet(str(tmp_path / "t"))) == [(1,)]


@pytest.mark.long
def test_options_that_only_spark_knows(spark, tmp_path):
    """An option of the reader's that is not known here may change values."""
    path = written(tmp_path / "t", {"x": pa.array([1])})
    why = chosen(spark.read.option("datetimeRebaseMode", "LEGACY").parquet(path)).why
    assert "datetimerebasemode" in why


@pytest.mark.long
def test_tables_of_the_catalog(spark, tmp_path):
    """A table of files is read, with partitions and defaults; buckets and char are Spark's."""
    name = f"files_{uuid.uuid4().hex[:8]}"
    made = []

    def table(suffix, columns, behind=""):
        made.append(f"spark_catalog.default.{name}_{suffix}")
        spark.sql(f"CREATE TABLE {made[-1]} ({columns}) USING parquet {behind}")
        return made[-1]

    try:
        plain = table("plain", "x bigint, s string, p int", "PARTITIONED BY (p)")
        spark.sql(f"INSERT INTO {plain} VALUES (1, 'a', 1), (2, NULL, NULL)")
        assert len(read_both(spark.table(plain))) == 2
        bucketed = table("bucketed", "x bigint", "CLUSTERED BY (x) INTO 2 BUCKETS")
        spark.sql(f"INSERT INTO {bucketed} VALUES (1), (2)")
        assert "bucketed" in chosen(spark.table(bucketed)).why
        fixed = table("fixed", "x bigint, c char(3), v varchar(3)")
        spark.sql(f"INSERT INTO {fixed} VALUES (1, 'a', 'b')")
        assert chosen(spark.table(fixed)).way == "spark"
        assert len(read_both(spark.table(fixed), ["x"])) == 1
        late = table("late", "x bigint")
        spark.sql(f"INSERT INTO {late} VALUES (1)")
        spark.sql(f"ALTER TABLE {late} ADD COLUMNS (y bigint DEFAULT 5)")
        assert "default" in chosen(spark.table(late)).why
    finally:
        for one in made:
            spark.sql(f"DROP TABLE {one}")


@pytest.mark.long
def test_an_encrypted_column(spark, tmp_path):
    """A file with a plain footer and an encrypted column, and one with an encrypted footer."""
    import pyarrow.parquet.encryption as pe

    class Plain(pe.KmsClient):
        def __init__(self, config):
            super().__init__()

        def wrap_key(self, key, master):
            return key

        def unwrap_key(self, key, master):
            return key

    factory = pe.CryptoFactory(Plain)
    frame = spark.read.schema("x long, y long").parquet(written(tmp_path / "t", {"z": SEVEN}))
    table = pa.table({"x": [1], "y": [2]})
    for is_plain in (True, False):
        config = pe.EncryptionConfiguration(
            footer_key="f", column_keys={"k": ["x"]}, plaintext_footer=is_plain
        )
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
        path = tmp_path / f"{is_plain}"
        path.mkdir()
        pq.write_table(table, path / "a.parquet", encryption_properties=properties)
        frame = spark.read.schema("x long, y long").parquet(str(path))
        assert chosen(frame, columns=["y"]).way == "spark"


@pytest.mark.long
def test_tasks_are_as_many_as_their_row_groups_and_sizes_say(spark, conf, tmp_path):
    """By Spark's own settings for files; rows keep their order within a task."""
    many = np.arange(40_000)
    path = written(tmp_path / "t", {"x": many}, row_group_size=5_000, use_dictionary=False)
    frame = spark.read.parquet(path)
    conf(spark__sql__files__openCostInBytes="1")
    conf(spark__sql__files__minPartitionNum="4")
    reading = chosen(frame, "files")
    assert reading.frame.rdd.getNumPartitions() == 4
    conf(spark__sql__files__minPartitionNum="100")
    assert chosen(frame, "files").frame.rdd.getNumPartitions() == 8
    conf(spark__sql__files__maxPartitionBytes="1g", spark__sql__files__minPartitionNum="1")
    one = chosen(frame, "files")
    assert one.frame.rdd.getNumPartitions() == 1
    conf(spark__sql__execution__arrow__maxRecordsPerBatch="7000")
    sizes = chosen(frame, "files")
    names = ["c0"]
    files = sizes.files

    def body(batches):
        import pyarrow

        from dai_spark.client.udf_bodies import rows_of

        for batch in rows_of(names, batches, files):
            first = batch.column(0)[0].as_py()
            assert batch.column(0).to_pylist() == list(range(first, first + batch.num_rows))
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array([batch.num_rows])], names=["n"])

    found = [row["n"] for row in sizes.frame.mapInArrow(body, "n long").collect()]
    assert found == [7000] * 5 + [5000]


@pytest.mark.parametrize(
    "change",
    ["as long", *(pytest.param(one, marks=pytest.mark.long) for one in ("longer", "gone"))],
)
def test_a_file_that_changes_fails_its_task_in_a_sentence(spark, tmp_path, change):
    """Whatever became of it; the sentence says which file, where, and what to do."""
    path = written(tmp_path / "t", {"x": pa.array([1, 2])}, use_dictionary=False)
    file = tmp_path / "t" / "part-0.parquet"
    reading = chosen(spark.read.parquet(path), "files")
    if change == "gone":
        file.unlink()
    else:
        columns = {"x": pa.array([1, 3] if change == "as long" else list(range(100)))}
        written(tmp_path / "t", columns, use_dictionary=False)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of Spark's, whichever
        given_rows(reading)
    error = from_spark(caught.value)
    assert type(error).__name__ == "SourceFileError"
    assert str(file) in error.message
    assert "read='spark'" in error.message


@pytest.mark.long
def test_a_copy_on_another_host_has_a_time_of_its_own(spark, tmp_path):
    """Where hosts have copies of a file, the footer tells whether it is the same."""
    path = written(tmp_path / "t", {"x": pa.array([1, 2])}, use_dictionary=False)
    file = tmp_path / "t" / "part-0.parquet"
    reading = chosen(spark.read.parquet(path), "files")
    elsewhere = dataclasses.replace(reading.files, is_one_host=False)
    reading = dataclasses.replace(reading, files=elsewhere)
    os.utime(file, (10**9, 10**9))
    assert given_rows(reading)[0] == [(1,), (2,)]
    written(tmp_path / "t", {"x": pa.array([1, 3])}, use_dictionary=False)
    with pytest.raises(Exception, match="has been written to"):
        given_rows(reading)


@pytest.mark.long
def test_the_query_tells_which_table_it_reads(spark, tmp_path):
    """Spark still refuses to overwrite a table from itself, and reads no row of it."""
    name = f"spark_catalog.default.files_{uuid.uuid4().hex[:8]}"
    spark.sql(f"CREATE TABLE {name} (x bigint) USING parquet")
    try:
        spark.sql(f"INSERT INTO {name} VALUES (1), (2)")
        reading = chosen(spark.table(name), "files")
        plan = reading.frame._jdf.queryExecution().executedPlan().toString()
        assert "Scan" not in plan
        assert "Range" in plan
        with pytest.raises(Exception, match="(?i)overwrite"):
            reading.frame.select(F.col("task").alias("x")).write.mode("overwrite").saveAsTable(name)
        assert spark.table(name).count() == 2
    finally:
        spark.sql(f"DROP TABLE {name}")


@pytest.mark.long
def test_a_name_with_odd_signs_and_a_file_that_is_none(spark, tmp_path):
    """Paths are taken as they are; a file that is no Parquet is Spark's to complain of."""
    folder = tmp_path / "a b%20=;, \u00e9"
    assert read_both(spark.read.parquet(written(folder, {"x": pa.array([1])}))) == [(1,)]
    shutil.copy(__file__, folder / "b.parquet")
    frame = spark.read.schema("x long").parquet(str(folder))
    assert "no Parquet file" in chosen(frame).why


def test_an_unknown_way_is_refused(spark, export, with_scorer, tmp_path):
    """Before anything is read."""
    frame = spark.read.parquet(written(tmp_path / "t", {"x": pa.array([1])}))
    with pytest.raises(OptionError, match="read='arrow' is none of auto, spark, files"):
        score_dataframe(frame, export(), **with_scorer, read="arrow")
