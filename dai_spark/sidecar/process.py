"""Whose process this is: whom it serves, what it has started, and how all of that ends.

The kernel (Linux) makes a *subreaper* the parent of what its descendants leave behind, whatever
sessions and groups they began.  So a subreaper's own children are all that is left of a tree, and
only own children are ever killed: their numbers are nobody else's before they have been asked for.
"""

import ctypes
import os
import signal
import sys
import time
from typing import Any, Dict, Iterable, Optional, Set

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.002
# What is left of a scorer so long after SIGKILL waits for a disk; its sidecar does not.
_ORPHANS_S = 0.5


def is_alive(owner: Dict[str, Any]) -> bool:
    """Whether the executor that this sidecar serves is still there.

    A process id alone might be another's by now, so its start time is compared as well.
    """
    if owner["start_time"] is not None:
        return bool(process_start_time(owner["pid"]) == owner["start_time"])
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def process_start_time(pid: int) -> Optional[int]:
    """Start time of a process in clock ticks since boot; None where there is no such process."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == b"Z" else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped (SIGSTOP, a debugger), so that it does nothing."""
    fields = _stat(pid)
    return fields is not None and fields[0] in (b"T", b"t")


def _group_of(pid: int) -> Optional[int]:
    """Process group of a process; None where there is no such process."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _stat(pid: int) -> Any:
    try:
        with open("/proc/{}/stat".format(pid), "rb") as stream:
            # The name, in brackets, may hold anything, so counting begins behind its end.
            return stream.read().rpartition(b")")[2].split()
    except OSError:
        return None


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Ask the kernel (Linux) to signal this process when its parent ends, however that happens."""
    if _prctl(_PR_SET_PDEATHSIG, number) and os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> bool:
    """Become the parent of what this process's descendants leave behind; False where none can."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)


def children(parent: int) -> Set[int]:
    """Process ids of a process's children, those that have ended and nobody asked for too."""
    found: Set[int] = set()
    tasks = "/proc/{}/task".format(parent)
    try:
        # Of each thread; one that ends meanwhile leaves its children to another one, which the
        # next look finds.
        for task in os.listdir(tasks):
            try:
                with open("{}/{}/children".format(tasks, task), "rb") as stream:
                    found.update(int(pid) for pid in stream.read().split())
            except OSError:
                if task == str(parent):
                    raise
        return found
    except OSError:
        pass
    # A kernel without CONFIG_PROC_CHILDREN; elsewhere than on Linux there is no /proc at all.
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        fields = _stat(int(name)) if name.isdigit() else None
        if fields is not None and int(fields[1]) == parent:
            found.add(int(name))
    return found


def descendants(parent: int) -> Set[int]:
    """Process ids of a process's children, of theirs, and so on."""
    found: Set[int] = set()
    new = children(parent)
    while new:
        found |= new
        new = set().union(*[children(pid) for pid in new]) - found
    return found


def end_children(known: Set[int], limit_s: float) -> None:
    """Kill all children but the known ones, and theirs as they become this process's own.

    Parameters
    ----------
    known : set of int
        Process ids of those that stay.
    limit_s : float
        What cannot be killed (it waits for a disk) is left after so long.
    """
    deadline = time.monotonic() + limit_s
    while True:
        left = children(os.getpid()) - known
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except OSError:
                pass
        if not left or time.monotonic() > deadline:
            return
        time.sleep(_POLL_S)


class Orphans:
    """What scorers have started and left behind, ended with them.

    A scorer and the sidecar are subreapers, so these are the sidecar's own children from the
    scorer's end on.  They are told from what the pipeline started while it loaded, which serves
    all scorers: that was there before, or is of the sidecar's process group.
    """

    def __init__(self) -> None:
        # What has been there for longer than a scorer takes to end.
        self._helpers: Set[int] = set()
        self._seen: Set[int] = set()

    def keep(self) -> None:
        """Take all that is there for what the pipeline started while it loaded.

        Called before the first fork.  What a daemon leaves between its two forks is no child of
        this process yet, and its number is known all the same.
        """
        self._helpers |= descendants(os.getpid())

    def look(self, scorers: Iterable[int], has_ended: bool) -> None:
        """End the orphans of scorers that have ended since the last look.

        Parameters
        ----------
        scorers : iterable of int
            Those that live.
        has_ended : bool
            Whether any has ended.  If not, what was there at the last look is no scorer's: its
            children are the sidecar's before the sidecar can ask how it ended.
        """
        own_group = os.getpgrp()
        found = children(os.getpid())
        found.difference_update(scorers)
        if self._helpers:
            self._helpers &= descendants(os.getpid())
        self._helpers.update(pid for pid in found if _group_of(pid) == own_group)
        if has_ended:
            self.end(scorers)
            found = set(self._helpers)
        else:
            self._helpers |= self._seen & found
        self._seen = found

    def end(self, scorers: Iterable[int]) -> None:
        """End all that is neither a scorer nor has been there before."""
        end_children(self._helpers.union(scorers), _ORPHANS_S)
