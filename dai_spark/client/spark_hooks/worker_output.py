"""output_flush: what a task has answered goes to Spark now, and not with the next 64 KB."""

import sys
from types import FrameType
from typing import Any, Callable, Optional

__all__ = ["output_flush"]


def output_flush() -> Callable[[], None]:
    """Return what sends the answers that Spark's worker holds back in its buffer.

    Called in a task, by a function that Spark's worker calls.  A JVM that hears of each batch ends
    a task that was cancelled at once, and a worker that tells of each batch finds that nobody
    listens any more.  Else it goes on with the rows that wait in its socket, for minutes where a
    pipeline takes long and its answers are small.

    Returns
    -------
    callable
        Does nothing where this is no worker of Spark's.
    """
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        # `main(infile, outfile)` of pyspark.worker, from Spark 3.5 to 4.3.
        if frame.f_code.co_name == "main" and frame.f_code.co_filename.endswith("worker.py"):
            output: Any = frame.f_locals.get("outfile")
            if hasattr(output, "flush"):
                flush: Callable[[], None] = output.flush
                return flush
        frame = frame.f_back
    return lambda: None
