"""Whose process this is: the executor a sidecar serves, and the sidecar a scorer serves."""

import ctypes
import os
import signal
import sys
from typing import Any, Dict, Optional

_PR_SET_PDEATHSIG = 1


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
    try:
        with open("/proc/{}/stat".format(pid), "rb") as stream:
            # The name, in brackets, may hold anything, so counting begins behind its end.
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else int(fields[19])


def die_with_parent(parent: int) -> None:
    """Ask the kernel (Linux) to kill this process when its parent ends, however that happens."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
