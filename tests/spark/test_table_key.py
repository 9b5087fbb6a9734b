"""The check of a key by hashes: each double is found, and none that is none."""

from decimal import Decimal

import pyspark
import pytest
from pyspark.sql import functions as F

from dai_spark.driver.row_facts import key_hashes
from dai_spark.errors import ColumnError
from dai_spark.table_job.source import key as key_module
from dai_spark.table_job.source.key import check_key

N_ROWS = 3000


@pytest.fixture(scope="module")
def rows(spark):
    """Rows whose columns tell them apart, each alone but `half`."""
    return spark.range(0, N_ROWS, 1, 3).selectExpr(
        "id",
        "CAST(id AS int) - 1500 AS whole",
        "concat('k', id) AS text",
        "CAST(id AS decimal(20, 3)) AS money",
        "id DIV 2 AS half",
        "id % 2 = 0 AS even",
        "struct(id, 'x' AS x) AS pair",
        "CAST(CAST(id AS string) AS binary) AS bytes",
        "timestamp_seconds(id) AS time",
    )


@pytest.fixture(scope="module")
def in_files(spark, rows, tmp_path_factory):
    """The same rows in three Parquet files, which tasks can read themselves, without the struct."""
    path = str(tmp_path_factory.mktemp("key") / "rows")
    rows.drop("pair").write.parquet(path)
    return spark.read.parquet(path)


KEYS = [["id"], ["whole"], ["text", "money"], ["half", "even"], ["bytes", "time"]]


@pytest.mark.parametrize("key", [*KEYS, ["pair"]], ids=",".join)
def test_a_key_that_tells_rows_apart_is_counted(rows, key):
    """One number, texts, several columns, a struct, which is compared by its values."""
    assert check_key(rows, key, "The table") == N_ROWS


@pytest.mark.parametrize("key", [*KEYS, ["double"], ["day"]], ids=",".join)
def test_tasks_that_read_the_files_count_the_same(spark, in_files, tmp_path, monkeypatch, key):
    """Without Spark's comparing any value; and a double, or a null, in another file is seen."""
    path = str(tmp_path / "more")
    made = [
        "*",
        "CAST(id AS double) AS double",
        "date_add(DATE '2000-01-01', CAST(id AS int)) AS day",
    ]
    all_rows = in_files.selectExpr(*made)
    all_rows.write.parquet(path)
    with monkeypatch.context() as patched:
        patched.delattr(key_module, "_check_values")
        patched.delattr(key_hashes, "_hash")
        assert check_key(spark.read.parquet(path), key, "The table", "auto") == N_ROWS
    all_rows.where("id = 2999").write.mode("append").parquet(path)
    with pytest.raises(ColumnError, match="holds 1 values of --key .* more than once: .*2 times"):
        check_key(spark.read.parquet(path), key, "The table", "auto")
    nulls = [F.lit(None).cast(field.dataType).alias(field.name) for field in all_rows.schema]
    spark.range(1).select(*nulls).write.mode("append").parquet(path)
    with pytest.raises(ColumnError, match="has 1 rows whose --key .* is null"):
        check_key(spark.read.parquet(path), key, "The table", "auto")


def test_a_table_of_no_rows_in_files_has_a_key(spark, in_files, tmp_path):
    """A file without a row, and a table without a file."""
    path = str(tmp_path / "none")
    in_files.limit(0).write.parquet(path)
    assert check_key(spark.read.parquet(path), ["id"], "The table", "auto") == 0
    (folder,) = {file.parent for file in tmp_path.glob("none/*.parquet")}
    for file in folder.glob("*.parquet"):
        file.unlink()
    none = spark.read.schema(in_files.schema).parquet(path)
    assert check_key(none, ["id"], "The table", "auto") == 0


def test_a_table_without_rows_has_a_key(rows):
    """Nothing is twice in it."""
    assert check_key(rows.limit(0), ["id"], "The table") == 0


def test_each_double_is_told(rows):
    """Wherever the rows lie; with the number of all, the most frequent first, as they are."""
    twice = rows.where("id IN (5, 2999)").select(*rows.columns)
    with pytest.raises(ColumnError) as raised:
        check_key(rows.unionByName(twice).unionByName(twice.where("id = 5")), ["text"], "The table")
    assert (
        "The table holds 2 values of --key text more than once: k5 (3 times); k2999 (2 times);"
        in raised.value.message
    )
    for key in (["half"], ["half", "half"]):
        with pytest.raises(ColumnError, match=r"holds 1,500 values of --key half"):
            check_key(rows, key, "The table")


def test_values_that_spark_takes_for_equal_are_one(spark, tmp_path):
    """NaN is NaN, zero has no sign; of decimals the scale is the column's."""
    floats = spark.createDataFrame(
        [(float("nan"), 1), (0.0, 1), (-0.0, 1), (1.5, 1), (float("nan"), 2)], "x double, n int"
    )
    with pytest.raises(ColumnError, match="holds 1 values of --key x,n more than once"):
        check_key(floats, ["x", "n"], "The table")
    with pytest.raises(ColumnError, match="holds 2 values of --key x more than once"):
        check_key(floats, ["x"], "The table")
    path = str(tmp_path / "floats")
    floats.repartition(5).write.parquet(path)
    for key, n in ((["x", "n"], 1), (["x"], 2)):
        with pytest.raises(ColumnError, match=f"holds {n} values of --key .* more than once"):
            check_key(spark.read.parquet(path), key, "The table", "auto")
    money = spark.createDataFrame([(Decimal("1.50"),), (Decimal("1.5"),)], "x decimal(9, 2)")
    with pytest.raises(ColumnError, match="holds 1 values of --key x more than once: 1.50"):
        check_key(money, ["x"], "The table")


@pytest.mark.skipif(pyspark.__version__ < "4", reason="Spark 3.5 has no collations")
def test_a_collation_says_what_is_equal(spark):
    """Texts that differ in case are one key where their collation says so."""
    texts = spark.createDataFrame([("a",), ("A",)], "x string")
    assert check_key(texts, ["x"], "The table") == 2
    lower = texts.select(F.expr("x COLLATE UTF8_LCASE").alias("x"))
    with pytest.raises(ColumnError, match="holds 1 values of --key x more than once"):
        check_key(lower, ["x"], "The table")


def test_a_null_is_told_before_a_double(rows):
    """With the number of the rows, of a part of the key as well."""
    some = rows.withColumn("text", F.when(F.col("id") % 1000 > 0, F.col("text")))
    for key in (["text"], ["half", "text"]):
        with pytest.raises(ColumnError, match=r"has 3 rows whose --key (half,)?text is null"):
            check_key(some, key, "The table")
    nothing = rows.select(F.lit(None).cast("int").alias("x"))
    with pytest.raises(ColumnError, match="has 3,000 rows whose --key x is null"):
        check_key(nothing, ["x"], "The table")


@pytest.mark.parametrize("n_hashes", [1, 2999])
def test_equal_hashes_are_no_double(rows, monkeypatch, n_hashes):
    """Keys are compared where hashes are equal, all or two of them."""
    monkeypatch.setattr(
        key_hashes, "_hash", lambda key: F.pmod(F.col("id"), F.lit(n_hashes)).cast("long")
    )
    assert check_key(rows, ["text", "id"], "The table") == N_ROWS
    with pytest.raises(ColumnError, match=r"1 values of --key text,id more than once: k7, 7 \(2 t"):
        check_key(rows.unionByName(rows.where("id = 7")), ["text", "id"], "The table")
