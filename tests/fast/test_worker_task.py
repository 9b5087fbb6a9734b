"""A worker's heap is settled where Spark's daemon keeps the worker, and nowhere else."""

import gc
import sys
from types import ModuleType

import pytest

from dai_spark.client.spark_hooks import worker_heap
from dai_spark.client.spark_hooks.worker_task import worker_task

# As in pyspark: who calls is told by the names of functions and of their files.
WORKER = "def main(infile, outfile):\n    return list(rows())\n"
DAEMON = "def manager():\n    return main(None, None)\n"


@pytest.fixture(autouse=True)
def heap(monkeypatch):
    """A process that has settled nothing, and whose heap is as it was when the test ends."""
    monkeypatch.setattr(worker_heap, "_n_modules_settled", 0)
    monkeypatch.setenv("SPARK_REUSE_WORKER", "1")
    assert gc.get_freeze_count() == 0
    yield
    gc.unfreeze()


def run(by_daemon, rows):
    """Run a task as a worker that the daemon has made, or as one of its own."""
    space = {"rows": rows}
    exec(compile(WORKER, "/somewhere/pyspark/worker.py", "exec"), space)
    exec(compile(DAEMON, "/somewhere/pyspark/daemon.py", "exec"), space)
    return space["manager"]() if by_daemon else space["main"](None, None)


def rows():
    """A task of ours."""
    with worker_task() as flush:
        yield 1
        flush()


def test_a_worker_of_the_daemon_settles_once():
    """What comes behind the first task is collected as ever."""
    assert run(True, rows) == [1]
    n_frozen = gc.get_freeze_count()
    assert n_frozen > 10_000
    kept = [[] for _ in range(1_000)]
    assert run(True, rows) == [1]
    assert gc.get_freeze_count() < n_frozen + len(kept) // 2


def test_an_import_settles_again(monkeypatch):
    """What later tasks import, as those that score behind a key's check, is left out too."""
    assert run(True, rows) == [1]
    n_frozen = gc.get_freeze_count()
    kept = [[] for _ in range(1_000)]
    monkeypatch.setitem(sys.modules, "of_this_test", ModuleType("of_this_test"))
    assert run(True, rows) == [1]
    # Less than there are: of what was left out before, some may have been freed.
    assert gc.get_freeze_count() > n_frozen + len(kept) // 2


def test_a_worker_without_a_daemon_is_left_alone():
    """It sends its end by what Python collects when it ends."""
    assert run(False, rows) == [1]
    assert gc.get_freeze_count() == 0


def test_a_worker_that_is_not_used_again_is_left_alone(monkeypatch):
    """Spark collects nothing behind its task (``spark.python.worker.reuse=false``)."""
    monkeypatch.delenv("SPARK_REUSE_WORKER")
    assert run(True, rows) == [1]
    assert gc.get_freeze_count() == 0


def test_a_task_that_fails_is_left_alone():
    """What it has open is closed by then, or not."""

    def failing():
        with worker_task():
            yield 1
            raise ValueError("of this test")

    with pytest.raises(ValueError, match="of this test"):
        run(True, failing)
    assert gc.get_freeze_count() == 0
