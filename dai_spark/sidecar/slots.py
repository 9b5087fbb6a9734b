"""Which tasks of an executor may score: as many at a sidecar as a client allows at the same time.

A slot is a file of the run folder, named by a number, with a lock on it: a POSIX record lock, which
ends with the process that has it, however that ends, and which no process that it forks inherits.
All scorers of one task share one slot, and its file names the task.  The file's time of change
tells when one of them last answered a batch.

A task that has a slot of any sidecar of its executor waits for none: Spark may evaluate several
functions of a task at once, each waiting for the rows of another.  So who waits has nothing that
others wait for, and no circle of tasks can wait for each other, whatever functions, pipelines and
queries they are of.
"""

import fcntl
import os
import time
from typing import Callable, List, Optional

from . import protocol

_POLL_S = 0.05
_TELL_EVERY_S = 5.0
# One at a time looks at the slots of an executor, for microseconds.
_MUTEX_NAME = "slots.lock"


class Slot:
    """The right to score, held until it is released or this process ends.

    Parameters
    ----------
    fd : int or None
        Descriptor of the locked file; None where the number of scorers is not limited.
    """

    def __init__(self, fd: Optional[int]) -> None:
        self._fd = fd

    def answered(self) -> None:
        """Tell scorers that wait that this one gets on."""
        if self._fd is not None:
            os.utime(self._fd)

    def release(self) -> None:
        """Let another scorer score; harmless when repeated."""
        if self._fd is not None:
            # Closed alone, it would stay locked by the copy of a process that the pipeline forked.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)
            self._fd = None


def take_slot(
    run_folder: str,
    max_scorers: Optional[int],
    task_attempt: Optional[str],
    tell_queued: Callable[[], None],
) -> Slot:
    """Wait for one of a sidecar's slots and take it.

    Parameters
    ----------
    run_folder : str
        Of the sidecar.  The folder around it is the executor's, and that of its other sidecars.
    max_scorers : int or None
        None waits for nothing.
    task_attempt : str or None
        Names the task; None stands for a task of its own.
    tell_queued : callable
        Called when waiting begins, and every few seconds as long as a scorer gets on.
    """
    if max_scorers is None:
        return Slot(None)
    folder = os.path.join(run_folder, protocol.SLOTS_NAME)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    told_at = -_TELL_EVERY_S
    told_of: List[int] = []
    while True:
        slot = _try_slot(folder, max_scorers, task_attempt)
        if slot is not None:
            return slot
        if time.monotonic() - told_at >= _TELL_EVERY_S:
            # Not the newest one alone: a clock may be put back.
            changed_at = sorted(os.stat(path).st_mtime_ns for path in _files(folder))
            if changed_at != told_of:
                tell_queued()
                told_of = changed_at
            told_at = time.monotonic()
        time.sleep(_POLL_S)


def _try_slot(folder: str, max_scorers: int, task_attempt: Optional[str]) -> Optional[Slot]:
    executor_folder = os.path.dirname(os.path.dirname(folder))
    mutex = os.open(os.path.join(executor_folder, _MUTEX_NAME), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(mutex, fcntl.LOCK_EX)
        if task_attempt is not None:
            own = _slot_of(_files(folder), task_attempt)
            if own is not None:
                return own
            for name in os.listdir(executor_folder):
                other = os.path.join(executor_folder, name, protocol.SLOTS_NAME)
                if other != folder and _has_slot(_files(other), task_attempt):
                    return Slot(None)
        for number in range(max_scorers):
            fd = os.open(os.path.join(folder, str(number)), os.O_RDWR | os.O_CREAT, 0o600)
            if _lock(fd, fcntl.LOCK_EX):
                os.ftruncate(fd, 0)
                os.pwrite(fd, (task_attempt or "").encode("utf-8"), 0)
                os.utime(fd)
                # Further scorers of the task share it.
                fcntl.lockf(fd, fcntl.LOCK_SH)
                return Slot(fd)
            os.close(fd)
        return None
    finally:
        os.close(mutex)


def _files(folder: str) -> List[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def _slot_of(paths: List[str], task_attempt: str) -> Optional[Slot]:
    """Share the slot of one of these files that a task has."""
    for path in paths:
        fd = os.open(path, os.O_RDWR)
        if _names(fd, task_attempt) and not _lock(fd, fcntl.LOCK_EX):
            fcntl.lockf(fd, fcntl.LOCK_SH)
            return Slot(fd)
        os.close(fd)
    return None


def _has_slot(paths: List[str], task_attempt: str) -> bool:
    for path in paths:
        try:
            fd = os.open(path, os.O_RDWR)
        except OSError:
            # Its sidecar has ended meanwhile.
            continue
        try:
            if _names(fd, task_attempt) and not _lock(fd, fcntl.LOCK_EX):
                return True
        finally:
            os.close(fd)
    return False


def _names(fd: int, task_attempt: str) -> bool:
    return os.pread(fd, 4096, 0) == task_attempt.encode("utf-8")


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.lockf(fd, kind | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
