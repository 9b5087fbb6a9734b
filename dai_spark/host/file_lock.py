"""File locks between the processes of a host, with a limit on every wait."""

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

__all__ = ["EXCLUSIVE", "SHARED", "held", "lock_within", "try_lock"]

EXCLUSIVE = fcntl.LOCK_EX
SHARED = fcntl.LOCK_SH

_POLL_S = 0.02


def try_lock(path: Path, kind: int = EXCLUSIVE) -> Optional[int]:
    """Take the lock `path` if it is free; return its file descriptor, or None if it is held.

    The kernel frees the lock when the last process that has the descriptor ends, however it ends,
    so no lock outlives a SIGKILL.  The file itself stays: taking it away would let two processes
    lock two files of one name.  Where something else has taken it away, the new one is locked.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            if _is_still(fd, path):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_still(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def lock_within(path: Path, timeout_s: float, kind: int = EXCLUSIVE) -> int:
    """Take the lock `path`, waiting at most `timeout_s` seconds for its holder.

    Raises
    ------
    TimeoutError
        It was held all the while.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        fd = try_lock(path, kind)
        if fd is not None:
            return fd
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} was held by another process for {timeout_s:g} s")
        time.sleep(_POLL_S)


@contextmanager
def held(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock `path` for the time of a block; see `lock_within`."""
    fd = lock_within(path, timeout_s)
    try:
        yield
    finally:
        os.close(fd)
