"""What a user is told while something takes long: one line a step, and a bar over Spark's tasks."""

import logging
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Tuple

from dai_spark.driver.session import is_connect

__all__ = ["quiet", "show_progress", "tell", "waiting"]

_LOG = logging.getLogger("dai_spark")
_HEARTBEAT_S = 10.0
_BAR_WIDTH = 32


def tell(text: str) -> None:
    """Tell the user at a terminal or notebook what is being done, and the log as well."""
    _LOG.info(text)
    sys.stderr.write(f"dai_spark: {text}\n")
    sys.stderr.flush()


def quiet(text: str) -> None:
    """Tell the log alone."""
    _LOG.info(text)


@contextmanager
def waiting(say: Callable[[str], None], what: str) -> Iterator[None]:
    """Say that something takes long, and every ten seconds that it still does."""
    done = threading.Event()
    begun = time.monotonic()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_S):
            say(f"still {what} ({time.monotonic() - begun:.0f} s)")

    say(what)
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def show_progress(spark: Any, every_s: float = 0.5) -> Iterator[None]:
    """Show a bar over the tasks of the Spark jobs that run within the ``with`` block.

    Runs on the driver, in a terminal or a notebook.  Over Spark Connect the client shows progress
    by its own handler (Spark 4.0 and later), which this registers for the block.

    Parameters
    ----------
    spark : SparkSession
    every_s : float, default 0.5
        How often the bar is drawn.

    Examples
    --------
    >>> with show_progress(spark):                              # doctest: +SKIP
    ...     df.withColumn("prediction", score()).write.parquet("scores")
    scoring [################----------------]  12/24 tasks   6 s
    """
    begun = time.monotonic()
    if is_connect(spark):
        with _connect_handler(spark, begun):
            yield
        return
    done = threading.Event()
    drawn = threading.Thread(
        target=_follow, args=(spark.sparkContext, begun, every_s, done), daemon=True
    )
    drawn.start()
    try:
        yield
    finally:
        done.set()
        drawn.join()


def _follow(context: Any, begun: float, every_s: float, done: threading.Event) -> None:
    tracker = context.statusTracker()
    seen = False
    n_done = n_all = 0
    while not done.wait(every_s):
        counted = _count(tracker)
        if counted[1]:
            n_done, n_all = counted
            seen = True
            _draw(n_done, n_all, begun)
    if seen:
        _draw(n_all, n_all, begun)
        sys.stderr.write("\n")
        sys.stderr.flush()


def _count(tracker: Any) -> Tuple[int, int]:
    n_done = n_all = 0
    for stage_id in tracker.getActiveStageIds():
        stage = tracker.getStageInfo(stage_id)
        if stage is not None:
            n_done += stage.numCompletedTasks
            n_all += stage.numTasks
    return n_done, n_all


@contextmanager
def _connect_handler(spark: Any, begun: float) -> Iterator[None]:
    def handler(stages: Any, inflight_tasks: int, operation_id: Any, done: bool) -> None:
        n_all = sum(stage.num_tasks for stage in stages or ())
        if n_all:
            _draw(sum(stage.num_completed_tasks for stage in stages), n_all, begun)
        if done:
            sys.stderr.write("\n")

    if not hasattr(spark, "registerProgressHandler"):
        yield
        return
    spark.registerProgressHandler(handler)
    try:
        yield
    finally:
        spark.removeProgressHandler(handler)


def _draw(n_done: int, n_all: int, begun: float) -> None:
    filled = _BAR_WIDTH * n_done // max(n_all, 1)
    bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
    elapsed_s = time.monotonic() - begun
    sys.stderr.write(f"\rscoring [{bar}] {n_done:>4}/{n_all} tasks {elapsed_s:>4.0f} s ")
    sys.stderr.flush()
