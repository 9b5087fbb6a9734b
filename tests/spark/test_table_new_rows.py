"""--incremental: each run scores what is new, and nothing twice."""

import shutil
import threading
import time
from uuid import uuid4

import pytest
from chispa import assert_df_equality
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.errors import ColumnError, OptionError, TableJobError
from dai_spark.table_job.targets.file_table import RECORDS


@pytest.fixture
def table(spark, flights_frame, tmp_path):
    """A source that grows: a function that appends flights of some days, by format."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    name = f"s{uuid4().hex[:12]}"
    rows = flights_frame.where("flight_id % 3 = 0")

    class Table:
        def __init__(self, kind):
            self.kind = kind
            self.text = f"ice.db.{name}" if kind == "iceberg" else f"{kind}:{tmp_path}/{name}"
            self.rows = rows

        def add(self, where):
            """Append the flights of a condition; their number."""
            new = rows.where(where)
            if self.kind == "iceberg":
                if spark.catalog.tableExists(self.text):
                    new.writeTo(self.text).append()
                else:
                    new.writeTo(self.text).using("iceberg").create()
            else:
                writer = new.write.format(self.kind).mode("append")
                writer.option("delta.enableChangeDataFeed", "true").save(f"{tmp_path}/{name}")
            return new.count()

        def sql(self, statement):
            """Run a statement on it; {} is its name."""
            spark.sql(
                statement.format(
                    f"delta.`{tmp_path}/{name}`" if self.kind == "delta" else self.text
                )
            )

    return Table


@pytest.fixture
def job(spark, export, with_scorer, tmp_path):
    """The job from a table to a Delta target of its own, merged by key."""

    def run(source, **words):
        words = {
            "source": source.text,
            "target": f"delta:{tmp_path}/target",
            "mode": "merge",
            "key": ["flight_id"],
            "keep": ["flight_id", "month", "day"],
            **words,
        }
        return score_table(words.pop("pipeline", export()), **with_scorer, spark=spark, **words)

    return run


@pytest.fixture
def scored(spark, tmp_path):
    """The target as it is."""
    return lambda: spark.read.format("delta").load(f"{tmp_path}/target")


def assert_all_scored(scored, expected, n_rows):
    """Every row of the source once, with the pipeline's own scores."""
    found = scored().select("flight_id", "prediction")
    assert found.count() == n_rows
    own = expected.join(found.select("flight_id"), "flight_id", "left_semi")
    assert_df_equality(found, own, ignore_row_order=True, ignore_nullable=True)


def test_missing_rows_are_scored_and_all_again_by_a_new_pipeline(
    table, job, scored, expected, export
):
    """The same pipeline scores what the target lacks; another one scores everything."""
    source = table("delta")
    n_first = source.add("month <= 2")
    assert job(source, incremental="missing").n_scored == n_first
    assert job(source, incremental="missing").status == "nothing to do"
    n_second = source.add("month = 3")
    assert job(source, incremental="missing").n_scored == n_second
    assert_all_scored(scored, expected, n_first + n_second)
    again = job(source, incremental="missing", pipeline=export(n_trees=21))
    assert again.n_scored == n_first + n_second
    digests = scored().select("scoring.pipeline_digest").distinct().collect()
    assert [row[0] for row in digests] == [again.pipeline_digest]
    assert job(source, incremental="missing", pipeline=export(n_trees=21)).status == "nothing to do"
    with pytest.raises(TableJobError, match="another pipeline has scored; .* use --mode merge"):
        job(source, incremental="missing", mode="append")


@pytest.mark.parametrize(
    "kind",
    [*(pytest.param(kind, marks=pytest.mark.long) for kind in ("delta", "iceberg")), "parquet"],
)
def test_each_day_scores_its_own_rows(spark, table, kind, export, with_scorer, tmp_path, expected):
    """--since: the mark lies in the target's own commit, and rows below it are not read again."""
    source = table(kind)
    target = f"ice.db.t{uuid4().hex[:8]}" if kind == "iceberg" else f"{kind}:{tmp_path}/target"
    words = {
        "source": source.text,
        "target": target,
        "mode": "append",
        "keep": ["flight_id", "time_hour"],
        "incremental": "since",
        "since": "time_hour",
    }
    total = 0
    for month in (1, 2):
        n_new = source.add(f"month = {month}")
        report = score_table(export(), **with_scorer, spark=spark, **words)
        assert (report.status, report.n_scored) == ("done", n_new)
        assert report.high_water_mark
        total += n_new
        again = score_table(export(), **with_scorer, spark=spark, **words)
        assert again.status == "nothing to do"
    kind, _, path = target.partition(":")
    found = spark.read.format(kind).load(path) if path else spark.table(target)
    assert_all_scored(lambda: found, expected, total)
    if not path:
        spark.sql(f"DROP TABLE {target}")


def test_the_last_run_is_the_last_whatever_its_hosts_clock_says(
    spark, table, export, with_scorer, tmp_path
):
    """Records of files lie in the order of their names: a host that is ahead wrote the first."""
    source = table("parquet")
    words = {
        "source": source.text,
        "target": f"parquet:{tmp_path}/target",
        "mode": "append",
        "keep": ["flight_id", "time_hour"],
        "incremental": "since",
        "since": "time_hour",
    }
    source.add("month = 1 AND day = 1")
    score_table(export(), **with_scorer, spark=spark, **words)
    (record,) = (tmp_path / "target" / RECORDS).glob("[0-9]*.json")
    number, _, name = record.name.partition("-")
    record.rename(record.with_name(f"{int(number) + 7200 * 10**9}-{name}"))
    n_new = source.add("month = 1 AND day = 2")
    second = score_table(export(), **with_scorer, spark=spark, **words)
    assert second.n_scored == n_new
    third = score_table(export(), **with_scorer, spark=spark, **words)
    assert (third.status, third.high_water_mark) == ("nothing to do", second.high_water_mark)


@pytest.mark.long
def test_rows_that_no_mark_would_find_are_refused(table, job):
    """A null in the --since column is counted and told."""
    source = table("delta")
    source.add("month = 1")
    source.sql("UPDATE {} SET time_hour = NULL WHERE day = 1")
    with pytest.raises(ColumnError, match=r"rows whose --since column time_hour is null"):
        job(source, incremental="since", since="time_hour")


@pytest.mark.parametrize("kind", ["delta", pytest.param("iceberg", marks=pytest.mark.long)])
def test_updates_and_deletions_follow(table, job, scored, expected, kind):
    """--incremental changes: what the source's log tells is updated, inserted and deleted."""
    source = table(kind)
    n_first = source.add("month <= 2")
    assert job(source, incremental="changes").n_scored == n_first
    assert job(source, incremental="changes").status == "nothing to do"
    n_new = source.add("month = 3")
    n_gone = source.rows.where("month = 1 AND day = 1").count()
    n_changed = source.rows.where("month = 2 AND day = 2").count()
    assert n_gone
    assert n_changed
    source.sql("DELETE FROM {} WHERE month = 1 AND day = 1")
    source.sql("UPDATE {} SET dep_delay = dep_delay + 500 WHERE month = 2 AND day = 2")
    report = job(source, incremental="changes")
    assert report.n_deleted in (n_gone, None)
    assert scored().count() == n_first + n_new - n_gone
    assert scored().where("month = 1 AND day = 1").count() == 0
    runs = scored().where(F.col("scoring.run_id") == report.run_id)
    assert runs.where("month = 3").count() == n_new
    assert 0 < runs.where("month <= 2").count() <= n_changed
    untouched = scored().where("NOT (month = 2 AND day = 2)")
    assert_all_scored(lambda: untouched, expected, n_first + n_new - n_gone - n_changed)


@pytest.mark.parametrize("mode", [pytest.param("append", marks=pytest.mark.long), "merge"])
def test_a_stream_scores_what_has_arrived(table, job, scored, expected, mode, tmp_path):
    """Each run takes what is new since its checkpoint; a lost checkpoint of a merge costs time."""
    source = table("delta")
    words = {"incremental": "stream", "checkpoint": f"{tmp_path}/checkpoint", "mode": mode}
    n_first = source.add("month = 1")
    assert job(source, **words).n_scored == n_first
    n_second = source.add("month = 2")
    assert job(source, **words).n_scored == n_second
    assert job(source, **words).n_scored == 0
    assert_all_scored(scored, expected, n_first + n_second)
    if mode == "merge":
        job(source, **{**words, "checkpoint": f"{tmp_path}/another"})
        assert_all_scored(scored, expected, n_first + n_second)


def test_a_key_that_does_not_tell_rows_apart_is_refused(table, job, scored):
    """Doubles and nulls are counted, with examples, before anything is scored."""
    source = table("delta")
    source.add("month = 1")
    with pytest.raises(ColumnError, match=r"values of --key month,day more than once: 1, \d+ \("):
        job(source, key=["month", "day"])
    source.sql("UPDATE {} SET flight_id = NULL WHERE day = 2")
    with pytest.raises(ColumnError, match=r"rows whose --key flight_id is null"):
        job(source)


@pytest.mark.long
def test_an_append_from_a_source_without_versions_wants_a_run_id(spark, table, job):
    """Nothing tells the version of a view with rand(), so only the user can say which run it is."""
    source = table("delta")
    source.add("month = 1")
    name = source.text.replace("delta:", "delta.`") + "`"
    spark.sql(f"CREATE OR REPLACE TEMP VIEW some_flights AS SELECT *, rand() AS r FROM {name}")
    source.text = "some_flights"
    with pytest.raises(OptionError, match="give --run-id"):
        job(source, mode="append")
    assert job(source, mode="append", run_id="1").status == "done"
    assert job(source, mode="append", run_id="1").status == "already done"


@pytest.mark.long
def test_a_running_stream_takes_a_new_pipeline(spark, table, job, scored, export, tmp_path):
    """--stream goes on until it is stopped; a zip that is replaced scores the next micro-batch."""
    source = table("delta")
    n_first = source.add("month = 1")
    pipeline = tmp_path / "scorer.zip"
    shutil.copy(export(), pipeline)
    reports = []
    words = {
        "incremental": "stream",
        "checkpoint": f"{tmp_path}/checkpoint",
        "keep_running": True,
        "pipeline": str(pipeline),
    }
    running = threading.Thread(target=lambda: reports.append(job(source, **words)))
    running.start()
    try:
        until(lambda: rows_in(scored) == n_first)
        replacement = tmp_path / "new.zip"
        shutil.copy(export(n_trees=21), replacement)
        replacement.replace(pipeline)
        n_second = source.add("month = 2")
        until(lambda: rows_in(scored) == n_first + n_second)
    finally:
        for query in spark.streams.active:
            query.stop()
        running.join(60)
    digests = scored().groupBy("month").agg(F.collect_set("scoring.pipeline_digest").alias("d"))
    found = {row["month"]: row["d"] for row in digests.collect()}
    assert len(found[1]) == len(found[2]) == 1
    assert found[1] != found[2]
    assert reports[0].n_scored == n_first + n_second


def rows_in(scored):
    """Rows of the target, 0 before there is one."""
    try:
        return scored().count()
    except AnalysisException:
        return 0


def until(condition, limit_s=150):
    """Wait until a condition holds; fail after the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the stream did not get there"
        time.sleep(0.5)


@pytest.mark.parametrize("kind", ["delta", pytest.param("iceberg", marks=pytest.mark.long)])
def test_an_older_version_of_the_source_is_scored(spark, table, job, scored, kind):
    """--source-version reads the table as it was, and the run remembers which."""
    source = table(kind)
    n_first = source.add("month = 1")
    version = "0"
    if kind == "iceberg":
        refs = spark.sql(f"SELECT snapshot_id FROM {source.text}.refs").collect()
        version = str(refs[0]["snapshot_id"])
    source.add("month = 2")
    report = job(source, source_version=version)
    assert (report.n_scored, report.source_version) == (n_first, version)
    assert scored().count() == n_first
