"""worker_flush: answers go to Spark now, and what Spark sends is not held back."""

import socket
from typing import Any, Callable, Optional

from dai_spark.client.spark_hooks.worker_frames import worker_frame

__all__ = ["worker_flush"]

# See tcp(7); Linux alone has it.
_TCP_QUICKACK: Optional[int] = getattr(socket, "TCP_QUICKACK", None)


def worker_flush() -> Callable[[], None]:
    """Return what sends the answers that Spark's worker holds back in its buffer.

    Called in a task, by a function that Spark's worker calls, before it reads a batch.  A JVM that
    hears of each batch ends a task that was cancelled at once, and a worker that tells of each
    batch finds that nobody listens any more.  Else it goes on with the rows that wait in its
    socket, for minutes where a pipeline takes long and its answers are small.

    Spark leaves the connection as TCP makes it: a small piece is held back until the one before it
    is acknowledged, and that happens after 40 ms where nothing goes the other way.  A small task
    would wait so for its rows, and once more with its answer.

    Returns
    -------
    callable
        Does nothing where this is no worker of Spark's.
    """
    output = _output_of_worker()
    if output is None:
        return lambda: None

    def flush() -> None:
        output.flush()
        _hurry(output)

    _hurry(output)
    return flush


def _output_of_worker() -> Any:
    # `main(infile, outfile)` of pyspark.worker, from Spark 3.5 to 4.3.
    frame = worker_frame("main", "worker.py")
    output = None if frame is None else frame.f_locals.get("outfile")
    return output if hasattr(output, "flush") else None


def _hurry(output: Any) -> None:
    """Let small pieces go at once, and acknowledge what has come; the kernel forgets the latter."""
    try:
        connection = socket.socket(fileno=output.fileno())
    except (AttributeError, OSError):
        # What a later Spark writes to may be no socket: then nothing is to be hurried.
        return
    try:
        # With a limit for all sockets, as a program may have set it, Python has just made reads of
        # this one fail instead of wait, those of Spark's worker too.
        connection.setblocking(True)
        # Spark 4.1 and later may be told to use Unix sockets, which hold nothing back.
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if _TCP_QUICKACK is not None:
                connection.setsockopt(socket.IPPROTO_TCP, _TCP_QUICKACK, 1)
    except OSError:
        # The JVM has left; whoever reads or writes next says so.
        pass
    finally:
        # The descriptor is Spark's.
        connection.detach()
