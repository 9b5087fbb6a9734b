"""A commit of files that is cut off at any step is finished by the next run."""

import pytest

from dai_spark import score_table
from dai_spark.errors import OverlapError, TableJobError
from dai_spark.table_job.folder import Folder
from dai_spark.table_job.lock import JobLock


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


@pytest.mark.parametrize("mode", ["append", "overwrite", "overwrite-partitions"])
def test_whatever_step_is_the_last_one_the_next_run_finishes(
    spark, job, tmp_path, monkeypatch, mode
):
    """After a cut at the n-th rename, write or removal, for every n: each row once."""
    parts = ["month"] if mode == "overwrite-partitions" else []
    job(mode="append", run_id="before", partition_by=parts)
    steps = {"left": 0}

    def counted(name):
        real = getattr(Folder, name)

        def step(self, *arguments):
            # The lock's own file is not part of a commit.
            if self.name.strip(".").startswith("lock"):
                return real(self, *arguments)
            if steps["left"] == 0:
                raise CutOff
            steps["left"] -= 1
            return real(self, *arguments)

        return step

    for n_steps in range(100):
        run = f"run {n_steps}"
        with monkeypatch.context() as patched:
            for name in ("rename_to", "write", "remove"):
                patched.setattr(Folder, name, counted(name))
            steps["left"] = n_steps
            try:
                job(mode=mode, run_id=run, partition_by=parts)
                was_cut = False
            except TableJobError as error:
                assert "CutOff" in str(error.__cause__.__class__)
                was_cut = True
            except CutOff:
                was_cut = True
        # What was pending is finished first, so the run is done or is done now.
        assert job(mode=mode, run_id=run, partition_by=parts).status in ("done", "already done")
        found = spark.read.parquet(f"{tmp_path}/target")
        n_expected = 400 * (n_steps + 2) if mode == "append" else 400
        assert found.count() == n_expected
        assert found.where(f"scoring.run_id = '{run}'").count() == 400
        if not was_cut:
            break
    assert n_steps >= 4
    left = Folder(spark, f"{tmp_path}/_dai_spark/target")
    assert set(left.names()) <= {"pending", "last_runs.json"}
    assert (left / "pending").names() == []


def test_a_second_run_waits_or_refuses(spark, job, tmp_path):
    """A lock whose holder lives is respected, one whose holder is gone is taken over at once."""
    file = Folder(spark, f"{tmp_path}/_dai_spark/target/lock")
    with JobLock(file, "another", "wait", 5, print):
        with pytest.raises(OverlapError, match=r"Another run of 'another' .* is at work"):
            job(on_overlap="refuse")
        with pytest.raises(OverlapError, match="still runs after 2 s"):
            job(overlap_timeout_s=2)
    assert job().status == "done"
    assert not file.exists()


def test_a_lock_of_a_dead_process_is_taken_over(spark, job, tmp_path):
    """The driver that was killed has left its lock; its process id may be another's by now."""
    import json
    import subprocess
    import sys

    file = Folder(spark, f"{tmp_path}/_dai_spark/target/lock")
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
    assert job(on_overlap="refuse", say=told.append).status == "done"
    assert any("was killed; its lock is taken over" in text for text in told)
