"""Who of a sidecar's scorers may score: as many as a client allows at the same time.

A slot is a file of the run folder with a lock on it, which ends with the process that has it,
however that ends.  Its time of change tells when its scorer last answered a batch.
"""

import fcntl
import os
import time
from typing import Callable, Optional

_POLL_S = 0.05
_TELL_EVERY_S = 5.0


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
            os.close(self._fd)
            self._fd = None


def take_slot(folder: str, max_scorers: Optional[int], tell_queued: Callable[[], None]) -> Slot:
    """Wait for one of the slots in `folder` and take it.

    Parameters
    ----------
    folder : str
        Folder of the slots of all scorers of a sidecar.
    max_scorers : int or None
        None waits for nothing.
    tell_queued : callable
        Called when waiting begins, and every few seconds as long as a scorer gets on.
    """
    if max_scorers is None:
        return Slot(None)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    paths = [os.path.join(folder, str(number)) for number in range(max_scorers)]
    told_at = -_TELL_EVERY_S
    told_of: Optional[float] = None
    while True:
        for path in paths:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.utime(fd)
                return Slot(fd)
            except BlockingIOError:
                os.close(fd)
        if time.monotonic() - told_at >= _TELL_EVERY_S:
            newest = max(os.stat(path).st_mtime for path in paths)
            if newest != told_of:
                tell_queued()
                told_of = newest
            told_at = time.monotonic()
        time.sleep(_POLL_S)
