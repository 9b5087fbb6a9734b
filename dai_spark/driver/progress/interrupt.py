"""ends_with_interrupt: Spark's jobs end when the keyboard, or a notebook, interrupts what runs."""

import logging
import signal
import threading
import time
import uuid
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from dai_spark.driver.session import is_connect

__all__ = ["ends_with_interrupt"]

_LOG = logging.getLogger("dai_spark")
_TRIES = 10
_PAUSE_S = 0.2


@contextmanager
def ends_with_interrupt(spark: Any) -> Iterator[None]:
    """Cancel the jobs that were begun within the ``with`` block if an interrupt leaves it.

    Runs on the driver, in the thread that begins the jobs.  They bear a tag of their own beside the
    user's tags and job group, so that no other job is cancelled.  Connect's client cancels its
    operations by itself.

    Parameters
    ----------
    spark : SparkSession
    """
    if is_connect(spark):
        yield
        return
    context = spark.sparkContext
    tag = f"dai_spark-{uuid.uuid4().hex}"
    context.addJobTag(tag)
    try:
        with _as_keyboard_interrupt():
            yield
    except KeyboardInterrupt:
        _cancel(context, tag)
        raise
    finally:
        if context._jsc is not None:
            _tried(lambda: context.removeJobTag(tag))


@contextmanager
def _as_keyboard_interrupt() -> Iterator[None]:
    """Have an interrupt raise `KeyboardInterrupt`, as it does in a notebook, and nothing else.

    Spark's own handler, which only the main thread has and only outside notebooks, cancels all
    jobs first.  It calls the JVM while the thread reads what the JVM answers to another call, which
    py4j does not bear: the call that was interrupted fails with an error of py4j's.
    """
    handler: Any = None
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
    if not str(getattr(handler, "__module__", "")).startswith("pyspark."):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _cancel(context: Any, tag: str) -> None:
    if not _tried(lambda: context.cancelJobsWithTag(tag)):
        _LOG.warning(
            "The jobs of a cell that was interrupted were not cancelled, since Spark's driver did "
            "not answer; spark.sparkContext.cancelAllJobs() ends them."
        )


def _tried(call: Callable[[], None]) -> bool:
    """Whether a call to the JVM was answered.

    At an interrupt Py4J closes the connection that was waiting, and for a moment fails on others.
    """
    for _ in range(_TRIES):
        try:
            call()
        except Exception:  # noqa: BLE001 - the interrupt is what the user is to see
            _LOG.debug("A call to Spark's driver failed.", exc_info=True)
            time.sleep(_PAUSE_S)
        else:
            return True
    return False
