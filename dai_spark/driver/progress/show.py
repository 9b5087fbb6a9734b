"""show_progress: how far Spark's jobs are, drawn on a terminal or told now and then."""

import logging
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

from dai_spark.driver.progress.interrupt import ends_with_interrupt
from dai_spark.driver.progress.job_status import JobStatus
from dai_spark.driver.progress.line import Moment, ProgressLine
from dai_spark.driver.progress.messages import log_message
from dai_spark.driver.session import is_connect
from dai_spark.plan.spark_versions import follow_progress

__all__ = ["show_progress"]

_LOG = logging.getLogger("dai_spark")
# The width of a notebook's line, and of a terminal that does not tell.
_WIDTH = 120
# Spark's own bar, where it is on, comes back after half a second.
_TICK_S = 0.2
# The job is over; a display that hangs does not hold it up.
_JOIN_S = 2.0
_LAST_S = 1.0
_ENDED = "The progress line has ended."


@contextmanager
def show_progress(
    spark: Any,
    every_s: float = 0.5,
    *,
    quiet: bool = False,
    on_message: Callable[[str], None] = log_message,
    line_every_s: float = 30.0,
) -> Iterator[None]:
    """Show how far the Spark jobs are that run within the ``with`` block.

    Runs on the driver.  On a terminal and in a notebook one line is drawn over and over; where
    standard error is neither (a scheduler's log), `on_message` is given a plain line every half a
    minute.  What cannot be known is left out: rows come with the executors' heartbeats, and Spark
    Connect tells of tasks and bytes alone.  A display that fails ends, and never the job.

    An interrupt that leaves the block cancels the jobs that were begun in it, and no others.

    Parameters
    ----------
    spark : SparkSession
    every_s : float, default 0.5
        How often Spark is asked and the line drawn.
    quiet : bool, default False
        Show nothing.
    on_message : callable
        Is given the plain lines; by default the logger ``dai_spark`` is.
    line_every_s : float, default 30
        How often a plain line is said.

    Examples
    --------
    >>> with show_progress(spark):                              # doctest: +SKIP
    ...     df.withColumn("prediction", score()).write.parquet("scores")
    scoring [############------------] 12/24 tasks  42 s  5,112,000 rows  131,000 rows/s
    """
    if quiet:
        with ends_with_interrupt(spark):
            yield
        return
    display = _Display(on_message, line_every_s)
    follow = _over_connect if is_connect(spark) else _over_tasks
    with follow(spark, display, every_s), ends_with_interrupt(spark):
        yield
        display.has_succeeded = True


@contextmanager
def _over_tasks(spark: Any, display: "_Display", every_s: float) -> Iterator[None]:
    done = threading.Event()
    thread = None
    try:
        # Here and not in the thread: what begins from now on is the job.
        status = JobStatus(spark)
        words = (status, _sparks_own_bar(spark) if display.is_bar else None, display, every_s, done)
        thread = threading.Thread(target=_follow, args=words, daemon=True)
        thread.start()
    except Exception:  # noqa: BLE001 - as in the thread
        _LOG.debug(_ENDED, exc_info=True)
    try:
        yield
    finally:
        done.set()
        if thread is not None:
            thread.join(_JOIN_S)


def _follow(
    status: JobStatus, sparks_bar: Any, display: "_Display", every_s: float, done: threading.Event
) -> None:
    try:
        next_s = time.monotonic() + every_s
        while not done.wait(min(every_s, _TICK_S)):
            moment = None
            if time.monotonic() >= next_s:
                moment = status.look()
                next_s = time.monotonic() + every_s
            if sparks_bar is not None:
                # It draws on the same line, but not within half a second of this.
                sparks_bar.finishAll()
            display.see(moment)
        display.finish(status.rows(_LAST_S if display.has_succeeded else 0.0))
    except Exception:  # noqa: BLE001 - whatever Spark's internals raise, the job goes on
        _LOG.debug(_ENDED, exc_info=True)


def _sparks_own_bar(spark: Any) -> Any:
    found = spark.sparkContext._jsc.sc().progressBar()
    return found.get() if found.isDefined() else None


@contextmanager
def _over_connect(spark: Any, display: "_Display", every_s: float) -> Iterator[None]:
    shown_s = float("-inf")

    def handler(stages: Any, inflight_tasks: int, operation_id: Any, done: bool) -> None:
        nonlocal shown_s
        if done or time.monotonic() - shown_s < every_s:
            return
        shown_s = time.monotonic()
        try:
            told = list(stages or ())
            if told:
                display.see(
                    Moment(
                        "scoring",
                        n_done=sum(stage.num_completed_tasks for stage in told),
                        n_tasks=sum(stage.num_tasks for stage in told),
                        n_active=inflight_tasks,
                        n_bytes_read=sum(stage.num_bytes_read for stage in told),
                    )
                )
        except Exception:  # noqa: BLE001 - the client calls this in the midst of the job
            _LOG.debug("The progress line was not drawn.", exc_info=True)

    if not follow_progress(spark, handler):
        yield
        return
    try:
        yield
    finally:
        spark.removeProgressHandler(handler)
        display.finish(None)


class _Display:
    """Draws the line on a terminal or in a notebook, or says it now and then."""

    def __init__(self, on_message: Callable[[str], None], line_every_s: float) -> None:
        begun_s = time.monotonic()
        self.is_bar = _is_drawn_over()
        self.has_succeeded = False
        self._line = ProgressLine(begun_s)
        self._on_message = on_message
        self._line_every_s = line_every_s
        self._said_s = begun_s
        self._has_said = False
        self._drawn = ""

    def see(self, moment: Optional[Moment]) -> None:
        if moment is None:
            return
        now_s = time.monotonic()
        self._line.see(moment, now_s)
        if self.is_bar:
            self._draw()
        elif now_s - self._said_s >= self._line_every_s:
            self._said_s = now_s
            self._has_said = True
            self._on_message(self._line.text())

    def finish(self, n_rows: Optional[int]) -> None:
        if self.has_succeeded:
            self._line.finish(n_rows, time.monotonic())
        if self._drawn:
            self._draw()
            sys.stderr.write("\n")
            sys.stderr.flush()
        elif self._has_said and self.has_succeeded:
            self._on_message(self._line.text())

    def _draw(self) -> None:
        # The last column stays free: a terminal would go to the next line.
        line = self._line.bar(_width() - 1)
        # Spaces over what was longer: no control sequence, which a notebook may not know.
        sys.stderr.write(f"\r{line.ljust(len(self._drawn))}")
        sys.stderr.flush()
        self._drawn = line


def _is_drawn_over() -> bool:
    """Whether standard error is a terminal or a notebook's output."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except (OSError, ValueError, AttributeError):
        return _WIDTH
