"""File locks between the processes of a host, with a limit on every wait."""

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

__all__ = ["held", "try_lock"]

_POLL_S = 0.02


def try_lock(path: Path) -> Optional[int]:
    """Take the lock `path` if it is free; return its file descriptor, or None if it is held.

    The kernel frees the lock when the last process that has the descriptor ends, however it ends,
    so no lock outlives a SIGKILL.  The file itself stays: taking it away would let two processes
    lock two files of one name.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextmanager
def held(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock `path`, waiting at most `timeout_s` seconds for who holds it.

    Raises
    ------
    TimeoutError
        It was held all the while.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        fd = try_lock(path)
        if fd is not None:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} was held by another process for {timeout_s:.0f} s")
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        os.close(fd)
