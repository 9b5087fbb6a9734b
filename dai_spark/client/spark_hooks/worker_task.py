"""worker_task: a task of ours within Spark's Python worker, from its first batch to its last."""

import os
from contextlib import contextmanager
from typing import Callable, Iterator

from dai_spark.client.spark_hooks.worker_frames import worker_frame
from dai_spark.client.spark_hooks.worker_heap import settle_heap
from dai_spark.client.spark_hooks.worker_imports import settle_imports
from dai_spark.client.spark_hooks.worker_socket import worker_flush

__all__ = ["worker_task"]


@contextmanager
def worker_task() -> Iterator[Callable[[], None]]:
    """Spare a task what Spark's worker adds to it, which is most of a small one; gives the flush.

    Entered before a batch is read; the flush (see `worker_flush`) is called behind each answer.
    A task that fails, or that Spark ends early, leaves the rest as it is (see `settle_heap`), and
    so does a worker that has this task alone.  One without a daemon (``spark.python.use.daemon``)
    sends its last words when Python, as it ends, collects the file that holds them, so nothing may
    be left out there; those of the daemon end without any of that.
    """
    yield worker_flush()
    if os.environ.get("SPARK_REUSE_WORKER") and worker_frame("manager", "daemon.py") is not None:
        settle_imports()
        settle_heap()
