"""Targets with partitions: no run hides rows, or replaces what it was not asked to."""

from uuid import uuid4

import pytest
from pyspark.sql import functions as F

from dai_spark.errors import TableJobError


def long(*values):
    """A kind that is only tried by `make test-long`, since another one stands for it."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.fixture
def tables(spark, tmp_path):
    """Makes names: of a source of six rows of two days, and of a target that is not there yet."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    made = []

    class Tables:
        def source(self, column="day", n_rows=6, where="true"):
            path = f"{tmp_path}/{uuid4().hex[:12]}"
            day = F.concat(F.lit("2026-01-0"), F.col("id") % 2 + 1)
            rows = spark.range(n_rows).withColumn("x", F.col("id") * 1.0).withColumn(column, day)
            rows.where(where).coalesce(1).write.format("delta").save(path)
            return f"delta:{path}"

        def target(self, kind):
            name = f"t{uuid4().hex[:12]}"
            if "catalog" in kind:
                made.append(name)
                return name
            if kind == "iceberg":
                made.append(f"ice.db.{name}")
                return made[-1]
            return f"{kind}:{tmp_path}/{name}"

    yield Tables()
    for name in made:
        spark.sql(f"DROP TABLE IF EXISTS {name}")


def read(spark, target):
    """The table as it is."""
    kind, _, path = target.partition(":")
    return spark.read.format(kind).load(path) if path else spark.table(target)


def formatted(kind):
    """Words of a job that creates a table of this kind."""
    return {"target_format": kind.split()[0]} if "catalog" in kind else {}


@pytest.mark.parametrize(
    "kind",
    [
        "parquet",
        *map(long, ("delta", "iceberg", "orc", "avro", "parquet catalog", "delta catalog")),
    ],
)
def test_a_partition_column_may_begin_with_an_underscore(spark, score_plain, tables, kind):
    """Readers pass by files that do; folders of partitions they see, and so does the job."""
    source, target = tables.source("_load_date"), tables.target(kind)
    words = {**formatted(kind), "partition_by": ["_load_date"]}
    assert score_plain(source, target, **words, mode="append", run_id="1").n_rows == 6
    assert read(spark, target).count() == 6
    words.update(mode="overwrite-partitions", where="_load_date = '2026-01-01'")
    report = score_plain(source, target, **words, run_id="2")
    assert (report.n_rows, read(spark, target).count()) == (3, 6)
    runs = read(spark, target).where("_load_date = '2026-01-01'").select("scoring.run_id")
    assert {row[0] for row in runs.collect()} == {"2"}


@pytest.mark.parametrize(
    "kind", [long("parquet"), "parquet catalog", long("delta"), long("iceberg")]
)
def test_partitions_are_those_of_the_target(spark, score_plain, tables, kind):
    """Without --partition-by the target's own are taken, and another --partition-by is refused."""
    source, target = tables.source(), tables.target(kind)
    score_plain(source, target, **formatted(kind), mode="append", partition_by=["day"])
    assert score_plain(source, target, mode="append", run_id="2").n_rows == 6
    assert read(spark, target).count() == 12
    words = {"mode": "overwrite-partitions", "where": "day = '2026-01-01'"}
    assert score_plain(source, target, **words).n_rows == 3
    assert read(spark, target).groupBy("day").count().orderBy("day").collect() == [
        ("2026-01-01", 3),
        ("2026-01-02", 6),
    ] or {str(r[0]): r[1] for r in read(spark, target).groupBy("day").count().collect()} == {
        "2026-01-01": 3,
        "2026-01-02": 6,
    }
    for mode in ("append", "overwrite", "overwrite-partitions"):
        with pytest.raises(TableJobError, match="is partitioned by day, and not by .*id; leave"):
            score_plain(source, target, mode=mode, partition_by=["id"], run_id="3")
    assert score_plain(source, target, mode="overwrite", run_id="4").n_rows == 6
    assert read(spark, target).where("day = '2026-01-02'").count() == 3
    assert score_plain(source, target, **words, run_id="5").n_rows == 3


@pytest.mark.parametrize("kind", ["parquet", "delta", long("iceberg"), long("delta catalog")])
def test_a_table_without_partitions_keeps_its_rows(spark, score_plain, tables, kind):
    """--mode overwrite-partitions is refused: the formats would replace all of it."""
    source, target = tables.source(), tables.target(kind)
    with pytest.raises(TableJobError, match="would create .* without partitions.*--partition-by"):
        score_plain(source, target, mode="overwrite-partitions")
    score_plain(source, target, **formatted(kind))
    words = {"mode": "overwrite-partitions", "where": "day = '2026-01-01'", "run_id": "2"}
    with pytest.raises(TableJobError, match="is not partitioned, so .* would replace all its rows"):
        score_plain(source, target, **words)
    with pytest.raises(TableJobError, match="is not partitioned, and not by --partition-by day"):
        score_plain(source, target, **words, partition_by=["day"], dry_run=True)
    assert read(spark, target).count() == 6


def test_clustering_is_no_partitioning(spark, score_plain, tables):
    """Delta's liquid clustering arranges files, so replacing 'partitions' would replace all."""
    source, target = tables.source(), tables.target("delta catalog")
    score_plain(source, target, target_format="delta")
    spark.sql(f"ALTER TABLE {target} CLUSTER BY (day)")
    with pytest.raises(TableJobError, match="is not partitioned, so"):
        score_plain(source, target, mode="overwrite-partitions", where="id = 1")
    assert read(spark, target).count() == 6


def test_icebergs_hidden_partitions_are_icebergs(spark, score_plain, tables):
    """Days of a time are replaced day by day; rows of an earlier partitioning are in the way."""
    source, target = tables.source(), tables.target("iceberg")
    score_plain(source, target)
    spark.sql(f"DELETE FROM {target}")
    spark.sql(f"ALTER TABLE {target} ADD PARTITION FIELD truncate(10, day)")
    score_plain(source, target, mode="append", run_id="2")
    with pytest.raises(TableJobError, match=r"partitioned by truncate\(10, day\), and not by"):
        score_plain(source, target, mode="append", partition_by=["day"], run_id="3")
    words = {"mode": "overwrite-partitions", "where": "day = '2026-01-01' AND id > 0"}
    assert score_plain(source, target, **words).n_rows == 2
    assert sorted(row["id"] for row in read(spark, target).collect()) == [1, 2, 3, 4, 5]
    spark.sql(f"ALTER TABLE {target} REPLACE PARTITION FIELD truncate(10, day) WITH bucket(2, id)")
    with pytest.raises(TableJobError, match=r"was partitioned otherwise.*rewrite_data_files"):
        score_plain(source, target, **words, run_id="4")
    spark.sql(
        "CALL ice.system.rewrite_data_files(table => "
        f"'{target.partition('.')[2]}', options => map('rewrite-all', 'true'))"
    )
    assert score_plain(source, target, **words, run_id="5").n_rows == 2
