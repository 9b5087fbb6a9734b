"""The sidecar's log: all that it, its scorers and the pipeline print, kept within bounds.

A pipeline's C libraries write to the file descriptors themselves, and some print without end.  So
descriptors 1 and 2 are a pipe, and the guard, a process without the pipeline's code, writes what
comes out of it.  What a pipeline does to its descriptors and to `sys.stdout` is its own affair:
the sidecar's words go to the pipe by `say`.
"""

import fcntl
import os
import select
import stat
import sys
from typing import Optional

from .process import is_stopped

# Limit of the file, and of the one before it, which is kept beside it as <log>.1.
LIMIT_BYTES = 8 << 20
END = "dai_spark: the sidecar has ended"
CHUNK_BYTES = 1 << 16
# Where nobody looks for a descriptor to close; a process may have more than these.
_HIGH_FD = 200


class LogPipe:
    """The writing end of the log's pipe, in the sidecar or a scorer.

    Parameters
    ----------
    guard_pid : int
        The process that reads it.
    guard_fd : int
        That process's reading end, by which the pipe is found again (Linux) where the pipeline
        has closed it.
    """

    def __init__(self, guard_pid: int, guard_fd: int) -> None:
        self._guard_pid = guard_pid
        self._path = "/proc/{}/fd/{}".format(guard_pid, guard_fd)
        self._inode = os.fstat(1).st_ino
        self._fd = _high(os.dup(1))
        self._draining: Optional[int] = None

    def write(self, text: str) -> None:
        """Write a text, and lose it rather than raise."""
        try:
            if not self._is_pipe(self._fd):
                # By a number that was closed we might write into a file of the pipeline's.
                self._fd = _high(os.open(self._path, os.O_WRONLY))
            os.write(self._fd, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass

    def _is_pipe(self, fd: int) -> bool:
        try:
            found = os.fstat(fd)
        except OSError:
            return False
        return stat.S_ISFIFO(found.st_mode) and found.st_ino == self._inode

    def reopen_closed(self) -> None:
        """See the function of this name."""
        for fd in (0, 1, 2):
            try:
                os.fstat(fd)
                continue
            except OSError:
                pass
            try:
                found = os.open(
                    self._path if fd else os.devnull, os.O_WRONLY if fd else os.O_RDONLY
                )
            except OSError:
                found = os.open(os.devnull, os.O_RDWR)
            if found != fd:
                os.dup2(found, fd)
                os.close(found)
            os.set_inheritable(fd, True)

    def stand_in(self, poller: "select.poll") -> None:
        """Empty the pipe where the guard is stopped: who prints must not wait for it.

        What is printed meanwhile is lost.
        """
        if not is_stopped(self._guard_pid):
            if self._draining is not None:
                os.close(self._draining)
                self._draining = None
            return
        try:
            if self._draining is None:
                self._draining = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            poller.register(self._draining, select.POLLIN)
            while os.read(self._draining, CHUNK_BYTES):
                pass
        except OSError:
            pass

    @property
    def draining(self) -> Optional[int]:
        """The descriptor by which `stand_in` empties the pipe, if it does."""
        return self._draining


def _high(fd: int) -> int:
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD)
    except OSError:
        os.set_inheritable(fd, False)
        return fd
    os.close(fd)
    return moved


_pipe: Optional[LogPipe] = None


def open_log(guard_pid: int, guard_fd: int) -> LogPipe:
    """Make `say` write to the pipe that descriptor 1 is now, before the pipeline runs."""
    global _pipe
    _pipe = LogPipe(guard_pid, guard_fd)
    return _pipe


def say(text: str) -> None:
    """Write a line into the log, whatever the pipeline has made of `sys.stdout`; raises nothing.

    One write, so that lines of several scorers do not run into each other.
    """
    line = "dai_spark: {}\n".format(text)
    if _pipe is not None:
        _pipe.write(line)
        return
    try:
        # No sidecar's process (`dai-spark env check`).
        sys.stdout.write(line)
        sys.stdout.flush()
    except Exception:
        pass


def reopen_closed() -> None:
    """Put back descriptors 0, 1 and 2 that the pipeline has closed.

    Else what is opened next has their numbers, and what the pipeline prints goes there.
    """
    if _pipe is not None:
        _pipe.reopen_closed()


def flush() -> None:
    """Let the pipeline's own words go before this process ends; raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass


class BoundedFile:
    """A file that is begun anew where it would be longer than `LIMIT_BYTES`.

    It stays open: opened again for each text, it would come back in a folder that the executor is
    just deleting.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = self._open()

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            return os.open(os.devnull, os.O_WRONLY)

    def append(self, chunk: bytes) -> None:
        """Append `chunk`, or drop it where the disk is full: no reason to stop scoring."""
        try:
            if os.fstat(self._fd).st_size + len(chunk) > LIMIT_BYTES:
                self._begin_anew()
            os.write(self._fd, chunk)
        except OSError:
            pass

    def _begin_anew(self) -> None:
        try:
            os.rename(self._path, self._path + ".1")
        except OSError:
            # Deleted with its folder; what is open takes no more room than it did.
            os.ftruncate(self._fd, 0)
            return
        os.close(self._fd)
        self._fd = self._open()
