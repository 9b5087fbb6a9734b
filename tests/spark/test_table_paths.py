"""What a source or target may be called, and tables that are texts."""

import os
from uuid import uuid4

import pytest

from dai_spark.errors import TableJobError
from dai_spark.table_job.table_place import absolute


@pytest.mark.parametrize(
    "mode",
    ["append", *(pytest.param(mode, marks=pytest.mark.long) for mode in ("merge", "overwrite"))],
)
def test_paths_are_made_absolute_once(spark, score_plain, tmp_path, mode):
    """Relative ones, dots, slashes at the end, `file:` and spaces, in every mode."""
    there = str(tmp_path)
    # Spark completes paths by the folder in which its JVM was started.
    folder = spark._jvm.java.lang.System.getProperty("user.dir")
    near = os.path.relpath(there, folder)
    for text, path in (
        ("delta:lake/src", f"delta:{folder}/lake/src"),
        (f"parquet:./{near}/a/../b c/", f"parquet:{there}/b c"),
        (f"delta:file:{there}//x/.", f"delta:{there}/x"),
        (f"csv:file://{there}/x%20y/", f"csv:{there}/x%20y"),
        ("lake.db.t", "lake.db.t"),
        ("jdbc:", "jdbc:"),
        ("iceberg:ice.db.t", "iceberg:ice.db.t"),
        ("delta:s3a://bucket/x", "delta:s3a://bucket/x"),
    ):
        assert absolute(spark, text) == path
    rows = spark.range(3).selectExpr("id", "id * 1.0 AS x")
    rows.write.format("delta").save(f"{there}/lake one/src")
    source = f"delta:{near}/lake one/src" if mode == "append" else f"delta:{there}/lake one/./src/"
    target = f"delta:{near}/lake one/../out of/{mode}/"
    report = score_plain(source, target, mode=mode, key=["id"])
    assert report.n_rows == 3
    assert spark.read.format("delta").load(f"{there}/out of/{mode}").count() == 3
    again = score_plain(source, f"delta:{there}/out of/{mode}", mode=mode, key=["id"])
    assert again.status == "already done"


@pytest.mark.parametrize("kind", ["csv", pytest.param("json", marks=pytest.mark.long)])
def test_the_second_night_of_text_files(spark, score_plain, tmp_path, kind):
    """Types, names and microseconds are as they were written: append, missing, partitions."""
    rows = spark.range(4).selectExpr(
        "id", "id * 1.0 AS x", "cast(id AS string) AS s", "id % 2 AS day",
        "timestamp'2026-01-02 03:04:05.678901' AS at",
    )  # fmt: skip
    rows.write.parquet(f"{tmp_path}/source")
    words = {"partition_by": ["day"], "keep": ["id", "day", "s", "at"], "mode": "append"}
    words.update(prediction_layout="flat", lineage=False)
    source, target = f"parquet:{tmp_path}/source", f"{kind}:{tmp_path}/target"
    assert score_plain(source, target, **words, where="id < 2").n_rows == 2
    assert score_plain(source, target, **words, where="id > 1").n_rows == 2
    reader = spark.read.schema("id LONG, s STRING, at TIMESTAMP, y FLOAT, day LONG")
    found = reader.option("header", True).format(kind).load(f"{tmp_path}/target")
    expected = rows.selectExpr("id", "s", "at", "0.0F AS y", "day")
    assert sorted(found.collect()) == sorted(expected.collect())
    rows.withColumn("s", rows["id"]).write.parquet(f"{tmp_path}/other")
    with pytest.raises(TableJobError, match="s: target string, scored bigint"):
        score_plain(f"parquet:{tmp_path}/other", target, **words, run_id="3")


def test_branches_of_iceberg_are_read_and_never_mistaken(spark, score_plain, tmp_path):
    """A branch or tag as source is that branch, at its version; as target it is refused."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    name = f"ice.db.t{uuid4().hex[:12]}"
    spark.sql(f"CREATE TABLE {name} USING iceberg AS SELECT id, 1.0 AS x FROM range(2)")
    spark.sql(f"ALTER TABLE {name} CREATE TAG old")
    spark.sql(f"ALTER TABLE {name} CREATE BRANCH b1")
    spark.sql(f"INSERT INTO {name}.branch_b1 VALUES (7, 1.0)")
    spark.sql(f"INSERT INTO {name} VALUES (8, 1.0), (9, 1.0)")
    target = f"delta:{tmp_path}/target"
    for source, n_rows in ((f"{name}.branch_b1", 3), (f"{name}.tag_old", 2), (name, 4)):
        assert score_plain(source, target, mode="overwrite").n_rows == n_rows
    assert score_plain(name, target, mode="overwrite").status == "already done"
    spark.sql(f"INSERT INTO {name}.branch_b1 VALUES (10, 1.0)")
    assert score_plain(f"{name}.branch_b1", target, mode="overwrite").n_rows == 4
    for selector in ("branch_b1", "tag_old"):
        with pytest.raises(TableJobError, match=f"is a branch or tag of {name}, .*give the table"):
            score_plain(target, f"{name}.{selector}", mode="append")
    with pytest.raises(TableJobError, match="no such branch"):
        score_plain(f"{name}.branch_none", target, mode="overwrite")
    spark.sql(f"DROP TABLE {name}")


def test_what_a_target_cannot_be_is_told(spark, score_plain, tmp_path):
    """A new table of a merge, where the catalog's default is Parquet; a view; buckets."""
    spark.range(2).selectExpr("id", "1.0 AS x").write.parquet(f"{tmp_path}/source")
    source = f"parquet:{tmp_path}/source"
    with pytest.raises(TableJobError, match="would be created as parquet.*--target-format delta"):
        score_plain(source, f"t{uuid4().hex[:12]}", mode="merge", key=["id"])
    name = f"v{uuid4().hex[:12]}"
    spark.sql(f"CREATE VIEW {name} AS SELECT 1 AS id")
    with pytest.raises(TableJobError, match=f"{name} is a view"):
        score_plain(source, name, mode="overwrite")
    spark.sql(f"DROP VIEW {name}")
    columns = "id BIGINT, x DECIMAL(2,1), prediction STRUCT<y: FLOAT>"
    spark.sql(f"CREATE TABLE {name} ({columns}) USING parquet CLUSTERED BY (id) INTO 2 BUCKETS")
    with pytest.raises(TableJobError, match="is bucketed"):
        score_plain(source, name, mode="append", lineage=False)
    spark.sql(f"DROP TABLE {name}")
