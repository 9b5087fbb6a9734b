"""A commit of files that is cut off at any step is finished by the next run."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.driver.schema import sql_columns
from dai_spark.errors import OverlapError, TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.choose import target_of
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath
from dai_spark.table_job.work_folder.job_lock import JobLock
from dai_spark.table_job.work_folder.location import work_folder


class CutOff(Exception):
    """Stands for a SIGKILL: nothing of the job's own handles it."""


@pytest.fixture
def job(spark, export, with_scorer, flights_frame, tmp_path):
    """The job from 400 flights to Parquet."""
    flights_frame.limit(400).repartition(3).write.parquet(f"{tmp_path}/source")

    def run(**words):
        words = {
            "source": f"parquet:{tmp_path}/source",
            "target": f"parquet:{tmp_path}/target",
            "keep": ["flight_id", "month"],
            **words,
        }
        return score_table(export(), **with_scorer, spark=spark, **words)

    return run


@pytest.fixture
def write(spark, tmp_path):
    """What a run does to its target, without the scoring: recover, look, write."""

    def run(mode, run_id, partition_by):
        words = {"pipeline": "p", "env": "e", "source": "s", "target": f"parquet:{tmp_path}/t"}
        job = TableJob.of({**words, "mode": mode, "partition_by": partition_by})
        target = target_of(spark, job)
        target.recover()
        if target.find(run_id) is None:
            record = RunRecord("job", run_id, mode, "p", "d", "e", "s")
            rows = spark.range(0, 40, 1, 2).selectExpr("id", "id % 2 AS part")
            target.write(rows.withColumn("run", F.lit(run_id)), record)
        return spark.read.parquet(f"{tmp_path}/t")

    return run


@pytest.mark.parametrize(
    "mode", ["append", "overwrite", pytest.param("overwrite-partitions", marks=pytest.mark.long)]
)
def test_whatever_step_is_the_last_one_the_next_run_finishes(
    spark, write, tmp_path, monkeypatch, mode
):
    """After a cut at the n-th rename, write or removal, for every n: each row once."""
    parts = ["part"] if mode == "overwrite-partitions" else []
    write("append", "before", parts)
    steps = {"left": 0}

    def counted(name):
        real = getattr(HadoopPath, name)

        def step(self, *arguments):
            if steps["left"] == 0:
                raise CutOff
            steps["left"] -= 1
            return real(self, *arguments)

        return step

    was_cut = True
    n_steps = 0
    while was_cut:
        run = f"run {n_steps}"
        with monkeypatch.context() as patched:
            for name in ("rename_to", "write", "remove"):
                patched.setattr(HadoopPath, name, counted(name))
            steps["left"] = n_steps
            try:
                write(mode, run, parts)
                was_cut = False
            except CutOff:
                n_steps += 1
        found = write(mode, run, parts)
        assert found.where(F.col("run") == run).count() == 40
        assert found.count() == (40 * (n_steps + 1 + (not was_cut)) if mode == "append" else 40)
    assert 5 <= n_steps < 50
    left = HadoopPath(spark, f"{tmp_path}/_dai_spark/t")
    assert left.names() == ["pending"]
    assert (left / "pending").names() == []


def test_a_second_run_waits_or_refuses(spark, job, tmp_path):
    """A lock whose holder lives is respected, one whose holder is gone is taken over at once."""
    file = HadoopPath(spark, f"{tmp_path}/_dai_spark/target/lock")
    with JobLock(file, "another", "wait", 5, print):
        with pytest.raises(OverlapError, match=r"Another run of 'another' .* is at work"):
            job(on_overlap="refuse")
        with pytest.raises(OverlapError, match="still runs after 2 s"):
            job(overlap_timeout_s=2)
        stream = {"incremental": "stream", "checkpoint": f"{tmp_path}/checkpoint", "mode": "append"}
        with pytest.raises(OverlapError, match="is at work") as refused:
            job(**stream, on_overlap="refuse")
        assert refused.value.status == "refused"
    assert job().status == "done"
    assert not file.exists()


def test_a_lock_is_whole_while_its_holder_touches_it(spark, tmp_path):
    """Who looks at the lock, as a run does before its commit, never sees half a file."""
    file = HadoopPath(spark, f"{tmp_path}/_dai_spark/target/lock")
    with JobLock(file, "mine", "wait", 5, print) as lock, ThreadPoolExecutor(1) as threads:
        touching = threads.submit(lambda: [file.write(lock._text(n)) for n in range(300)])
        while not touching.done():
            lock.check()
        touching.result()


def test_a_work_folder_may_lie_behind_any_of_hadoops_file_systems(spark, tmp_path):
    """By a mount table: nothing of the path tells that it ends on this machine's own disk."""
    settings = {"fs.viewfs.mounttable.jobs.link./data": tmp_path.as_uri()}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        work = HadoopPath(spark, "viewfs://jobs/data/work")
        assert work.names() == []
        file = work.make() / "lock"
        assert file.read() is None
        with JobLock(file, "another", "refuse", 5, print):
            assert file.create("mine") is False
            with pytest.raises(OverlapError, match="'another'"):
                JobLock(file, "mine", "refuse", 5, print).__enter__()
        (work / "below" / "_hidden").write("1")
        (work / "below" / "ä 1.json").write("[]")
        (work / "below" / "ä 1.json").write('{"a": "ö"}')
        assert work.names() == ["below"]
        assert work.files() == ["below/ä 1.json"]
        assert (work / "below" / "ä 1.json").read_json() == {"a": "ö"}
        (work / "below").rename_to(work / "moved")
        assert sorted(path.name for path in (tmp_path / "work" / "moved").glob("[!.]*")) == [
            "_hidden",
            "ä 1.json",
        ]
        with pytest.raises(TableJobError, match="could not be renamed"):
            (work / "nothing").rename_to(work / "moved")
        work.remove()
        assert not (tmp_path / "work").exists()
    finally:
        for name in settings:
            spark.conf.unset(name)


def test_a_lock_of_a_dead_process_is_taken_over(spark, job, tmp_path):
    """The driver that was killed has left its lock; its process id may be another's by now."""
    import subprocess
    import sys

    file = HadoopPath(spark, f"{tmp_path}/_dai_spark/target/lock")
    with JobLock(file, "killed", "wait", 5, print):
        left = json.loads(file.read())
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    left["pid"] = int(child.stdout)
    assert file.create(json.dumps(left))
    told = []
    assert job(on_overlap="refuse", on_message=told.append).status == "done"
    assert any("was killed; its lock is taken over" in text for text in told)


def test_a_lock_of_another_host_is_judged_before_a_run_refuses(spark, tmp_path):
    """One that does not move is taken over; one that moves is a run at work."""
    file = HadoopPath(spark, f"{tmp_path}/_dai_spark/target/lock")
    file.parent.make()
    left = {"token": "1", "job": "of night", "host": "elsewhere", "boot": "b", "pid": 1}
    left = json.dumps({**left, "started": "2", "since": "yesterday"})
    for overlap, text in (("refuse", left), ("wait", left), ("refuse", "{half")):
        assert file.create(text)
        told = []
        begun = time.monotonic()
        # The time that a run waits at most is not what judges.
        with JobLock(file, "mine", overlap, 0.5 if overlap == "refuse" else 30, told.append, 1):
            assert 1 <= time.monotonic() - begun < 20
        assert "was killed; its lock is taken over" in told[-1]
    assert file.create(left)
    with ThreadPoolExecutor(1) as threads:
        beat = threads.submit(lambda: (time.sleep(1), file.write(left.replace("2", "3"))))
        with pytest.raises(OverlapError, match=r"'of night' \(process 1 on elsewhere, .* at work"):
            JobLock(file, "mine", "refuse", 30, print, 20).__enter__()
        beat.result()


def test_a_stream_that_has_waited_leaves_the_table_that_was_made_meanwhile(spark, job, tmp_path):
    """The run that it has waited for has created the table and was killed before its first row.

    Recovery takes a table's folder away only where the catalog knows no such table, and what the
    catalog knew before the wait is no longer so.
    """
    name = f"t{uuid4().hex[:12]}"
    words = {"target": name, "target_format": "delta"}
    job(**words)
    columns = sql_columns(spark.table(name).schema)
    spark.sql(f"DROP TABLE {name}")
    stream = {**words, "incremental": "stream", "mode": "append"}
    stream["checkpoint"] = f"{tmp_path}/checkpoint"
    work = work_folder(
        spark, TableJob.of({**words, "pipeline": "p", "source": "s"}), TableName.of(name)
    )
    told = []
    with ThreadPoolExecutor(1) as threads:
        with JobLock(work / "lock", "another", "wait", 5, print):
            waiting = threads.submit(job, **stream, on_message=told.append)
            deadline = time.monotonic() + 60
            while not any("waiting for its end" in text for text in told):
                assert time.monotonic() < deadline, told
                time.sleep(0.1)
            spark.sql(
                f"CREATE TABLE {name} ({columns}) USING delta "
                "TBLPROPERTIES ('dai_spark.created_for' = 'another')"
            )
        report = waiting.result(timeout=300)
    assert (report.status, report.n_scored) == ("done", 400)
    assert spark.table(name).count() == 400
    spark.sql(f"DROP TABLE {name}")
