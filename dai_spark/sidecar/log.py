"""The sidecar's log: all that it, its scorers and the pipeline print, kept within bounds.

A pipeline's C libraries write to the file descriptors themselves, and some print without end.  So
descriptors 1 and 2 are a pipe, and a process of its own writes what comes out of it: a thread could
not, since C code may hold the interpreter's lock while it waits for the pipe.
"""

import os
import select
from typing import Optional

from .texts.secret import CleanStream, Secret

# Limit of the file, and of the one before it, which is kept beside it as <log>.1.
LIMIT_BYTES = 8 << 20
END = "dai_spark: the sidecar has ended"
_CHUNK_BYTES = 1 << 16


class Log:
    """The pipe to a log, and the process that writes it.

    Parameters
    ----------
    path : str
    lock_fd : int
        The sidecar's lock, which the writer must not hold: it outlives the sidecar by moments.
    secret : str or None
        The licence, which a pipeline may print and no file is to hold.
    """

    def __init__(self, path: str, lock_fd: int, secret: Optional[str] = None) -> None:
        self._path = path
        self._secret = secret
        self._lock_fd = lock_fd
        self._reading, self._writing = os.pipe()
        self._pid = self._start()
        os.dup2(self._writing, 1)
        os.dup2(self._writing, 2)

    def _start(self) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(self._lock_fd)
                os.close(self._writing)
                # The run folder is to go while this still writes.
                os.chdir("/")
                # From a restart they are the pipe itself, whose end would never come.
                nothing = os.open(os.devnull, os.O_RDWR)
                for fd in (0, 1, 2):
                    os.dup2(nothing, fd)
                write_log(self._path, self._reading, parent, self._secret)
            finally:
                os._exit(0)
        return pid

    def restart_if(self, ended_pid: int) -> None:
        """Start another writer where the one that ended was ours.

        We keep the reading end, so nothing that was printed meanwhile is lost and nobody who
        prints is told that the pipe is broken.
        """
        if ended_pid == self._pid:
            self._pid = self._start()


def write_log(path: str, reading: int, parent: int, secret: Optional[str] = None) -> None:
    """Copy a pipe to a file until the sidecar and all its scorers have ended."""
    log = BoundedFile(path)
    clean = CleanStream(Secret(secret))
    poller = select.poll()
    poller.register(reading, select.POLLIN)
    while True:
        if not poller.poll(1000):
            log.append(clean.rest())
            if os.getppid() != parent:
                # The sidecar is gone, and what holds the pipe open is a process of the pipeline's.
                break
            continue
        chunk = os.read(reading, _CHUNK_BYTES)
        if not chunk:
            break
        log.append(clean.take(chunk))
    log.append(clean.rest())
    log.append((END + "\n").encode("ascii"))


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
