"""Runs that would leave a table worse than it was: by nothing, or by its own source."""

import itertools
from pathlib import Path
from uuid import uuid4

import pytest

from dai_spark import score_table
from dai_spark.errors import OptionError, TableJobError, TooFewRowsError
from dai_spark.testing import MARK_TEXT


def long(*values):
    """A kind that is only tried by `make test-long`, since another one stands for it."""
    return pytest.param(*values, marks=pytest.mark.long)


def read(spark, target):
    """The table as it is."""
    kind, _, path = target.partition(":")
    if kind == "parquet" and not any(Path(path).rglob("*.parquet")):
        # Spark writes no file of a partitioned table that has no rows.
        return spark.range(0)
    return spark.read.format(kind).load(path) if path else spark.table(target)


@pytest.fixture
def target(spark, request, tmp_path):
    """Name of a table that does not exist yet, of the kind asked for."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    name = f"t{uuid4().hex[:12]}"
    if request.param == "iceberg":
        yield f"ice.db.{name}"
        spark.sql(f"DROP TABLE IF EXISTS ice.db.{name}")
    else:
        yield f"{request.param}:{tmp_path}/{name}"


@pytest.fixture
def source(spark, tmp_path):
    """Five rows of two days, as Delta: its path."""
    rows = spark.range(5).selectExpr("id", "id * 1.0 AS x", "id % 2 AS day").coalesce(1)
    rows.write.format("delta").save(f"{tmp_path}/source")
    return f"{tmp_path}/source"


@pytest.mark.parametrize("target", [long("delta"), "parquet", long("iceberg")], indirect=True)
def test_nothing_replaces_no_rows(spark, score_plain, source, target):
    """A filter, or an emptied source, that leaves no rows; --allow-empty is for who means it."""
    words = {"source": f"delta:{source}", "target": target, "partition_by": ["day"]}
    assert score_plain(**words, mode="overwrite").n_rows == 5
    for mode, dry_run in (("overwrite", False), ("overwrite-partitions", True)):
        with pytest.raises(TooFewRowsError, match=r"0 rows that satisfy id > 9 .*allow-empty"):
            score_plain(**words, mode=mode, where="id > 9", dry_run=dry_run)
    spark.sql(f"DELETE FROM delta.`{source}`")
    with pytest.raises(TooFewRowsError, match="replace by nothing; it is as it was") as caught:
        score_plain(**words, mode="overwrite", key=["id"])
    assert caught.value.status == "too few rows"
    assert read(spark, target).count() == 5
    assert score_plain(**words, mode="overwrite", allow_empty=True).status == "done"
    assert read(spark, target).count() == 0
    # Nothing is lost where nothing is.
    assert score_plain(**words, mode="overwrite", run_id="2").n_rows == 0


@pytest.mark.parametrize("target", ["delta"], indirect=True)
def test_fewer_rows_than_wanted_are_refused(spark, score_plain, source, target):
    """--min-rows as a number, and as a share of the last run's rows."""
    words = {"source": f"delta:{source}", "target": target, "job_name": "guarded"}
    with pytest.raises(TooFewRowsError, match="5 rows to be written, fewer than --min-rows 6; "):
        score_plain(**words, mode="append", min_rows="6")
    assert not Path(target.partition(":")[2], "_delta_log").exists()
    first = score_plain(**words, mode="append", min_rows="80%")
    assert first.n_rows == 5
    assert [c.found for c in first.checks if c.what == "rows"] == ["5, and no earlier run"]
    spark.sql(f"DELETE FROM delta.`{source}` WHERE id = 0")
    second = score_plain(**words, mode="append", min_rows="80%")
    assert [c.allowed for c in second.checks if c.what == "rows"] == ["at least 80%"]
    spark.sql(f"DELETE FROM delta.`{source}` WHERE id = 1")
    for more in ({}, {"fail_on_drift": 100.0}, {"key": ["id"], "mode": "merge"}):
        with pytest.raises(TooFewRowsError, match=r"3 rows .* --min-rows 80% of the last run's 4"):
            score_plain(**{**words, "mode": "overwrite", "min_rows": "80%", **more})
    assert read(spark, target).count() == 9
    for wrong in ("-1", "80.5", "some", "101 %%"):
        with pytest.raises(OptionError, match="min_rows=.* neither a number of rows nor"):
            score_plain(**words, min_rows=wrong)


def test_bad_rows_alone_replace_nothing(
    spark, export, with_scorer, flights_frame, tmp_path, score_plain
):
    """All rows in quarantine: both tables are as they were, and the reason is told."""
    from pyspark.sql import functions as F

    rows = flights_frame.limit(8).coalesce(1).withColumn("n", F.monotonically_increasing_id())
    marked = F.when(F.col("n") > 1, MARK_TEXT).otherwise(F.col("carrier"))
    rows.withColumn("carrier", marked).write.parquet(f"{tmp_path}/source")
    words = {
        "source": f"parquet:{tmp_path}/source",
        "target": f"delta:{tmp_path}/target",
        "mode": "overwrite",
        "keep": ["flight_id"],
        "quarantine": f"delta:{tmp_path}/bad",
        "spark": spark,
    }

    def run(**more):
        return score_table(export(fate="raise_in_score"), **with_scorer, **words, **more)

    assert run(where="n < 2").n_rows == 2
    with pytest.raises(TooFewRowsError, match=r"0 of 6 rows .*bad are 6, such as .*raise_in_score"):
        run(where="n > 1")
    with pytest.raises(TooFewRowsError, match="2 of 8 rows .* fewer than --min-rows 3;"):
        run(min_rows="3")
    assert read(spark, words["target"]).count() == 2
    assert not (tmp_path / "bad" / "_delta_log").exists()


def test_a_source_is_never_its_own_target(spark, score_plain, source, monkeypatch, tmp_path):
    """Whatever it is called: by the catalog, by its path, by another case, through a link."""
    spark.sql("CREATE DATABASE IF NOT EXISTS other")
    spark.sql("CREATE OR REPLACE TABLE other.same (id BIGINT, x DOUBLE) USING delta")
    spark.sql("INSERT INTO other.same VALUES (1, 1), (2, 2)")
    spark.sql("CREATE TABLE IF NOT EXISTS ice.db.same (id BIGINT, x DOUBLE) USING iceberg")
    spark.sql("INSERT INTO ice.db.same VALUES (1, 1), (2, 2)")
    there = spark.sql("DESCRIBE DETAIL other.same").collect()[0]["location"].removeprefix("file:")
    (tmp_path / "link").symlink_to(there)
    monkeypatch.chdir(Path(there).parent)
    spark.sql("USE other")
    try:
        same = [
            ("other.same", "same"),
            ("same", "OTHER.Same"),
            ("spark_catalog.other.same", "`same`"),
            ("same", f"delta:{there}"),
            (f"delta:file:{there}/", "other.same"),
            (f"delta:{there}/.", f"delta:{there}//../{Path(there).name}"),
            (f"delta:{tmp_path}/link", "same"),
            (f"delta:{there}@v1", f"delta:{there}"),
            ("ice.db.same", "`ice`.db.`same`"),
        ]
        for (one, other), mode in zip(same, itertools.cycle(("overwrite", "append"))):
            with pytest.raises(TableJobError, match="are one table, "):
                score_plain(one, other, mode=mode, evolve_schema=True, run_id="1")
        with pytest.raises(TableJobError, match="are one table, "):
            score_plain("same", "other.t", quarantine=f"delta:{there}")
        with pytest.raises(TableJobError, match="are one table, "):
            score_plain(f"delta:{source}", f"delta:{tmp_path}/t", quarantine=f"delta:{tmp_path}/t/")
        with pytest.raises(TableJobError, match="lies in the target"):
            score_plain(f"delta:{source}", f"parquet:{tmp_path}", mode="overwrite")
    finally:
        spark.sql("USE default")
        spark.sql("DROP DATABASE other CASCADE")
        spark.sql("DROP TABLE ice.db.same")
