"""Files that threads write, while the archive that they come from is read on.

What a file costs is the system's: to create it, to find room for it, to copy its bytes.  On ext4
that was four fifths of unpacking an environment of 5,800 files, and Python holds no lock meanwhile,
so that two threads halve it.
"""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Deque, Optional, Tuple, Type

__all__ = ["FileThreads", "new_file"]

# Where a host has more processors, the one thread that reads the archive is what others wait for.
_MOST_THREADS = 4
_WAITING_BYTES = 32 << 20


class FileThreads:
    """Writes new files in threads; leaving its block waits for all of them.

    Files are written in any order.  What went wrong with one is raised by a later `add`, or by
    `settle`, in the thread that calls these.
    """

    def __init__(self) -> None:
        n_threads = min(_MOST_THREADS, max(2, os.cpu_count() or 2))
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="dai_spark-unpack")
        self._waiting: Deque[Tuple[Future[None], int]] = deque()
        self._waiting_bytes = 0

    def __enter__(self) -> "FileThreads":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        # Who removes a folder behind an error must find nobody who still writes into it.
        for future, _ in self._waiting:
            future.cancel()
        self._threads.shutdown(wait=True)

    def add(self, path: Path, mode: int, content: bytes) -> None:
        """Have a file written that must not exist; wait where too many bytes do."""
        while self._waiting and self._waiting_bytes + len(content) > _WAITING_BYTES:
            self._finish_one()
        self._waiting.append((self._threads.submit(_write, path, mode, content), len(content)))
        self._waiting_bytes += len(content)

    def settle(self) -> None:
        """Wait until every file is there.

        Raises
        ------
        OSError
            What the first file met that could not be written.
        """
        while self._waiting:
            self._finish_one()

    def _finish_one(self) -> None:
        future, n_bytes = self._waiting.popleft()
        self._waiting_bytes -= n_bytes
        future.result()


def new_file(path: Path, mode: int) -> int:
    """Create a file that must not exist, and is no link; return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)


def _write(path: Path, mode: int, content: bytes) -> None:
    with os.fdopen(new_file(path, mode), "wb", buffering=0) as target:
        left = memoryview(content)
        while left:
            left = left[target.write(left) :]
