"""What a pipeline may change of its process while it loads, put back for the sidecar's own work.

Libraries write for programs of their own: they set signal handlers, limits and timers, close
descriptors they take for left over, change the file mode mask.  What only the pipeline meets (its
warnings' filters, its default socket timeout, `sys.stdout`) stays as it wants it.
"""

import faulthandler
import os
import resource
import signal
import sys
import threading
from typing import Any, Dict, List, Tuple

from ..log import reopen_closed, say

# Limits that end a sidecar, or keep it from taking a connection or starting a scorer.
_LIMITS = ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CPU")


class Surroundings:
    """The state of this process before a pipeline loads."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._recursion_limit = sys.getrecursionlimit()
        self._limits: Dict[str, Tuple[int, int]] = {
            name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS
        }

    def restore(self) -> None:
        """Put back what this process needs, and say what could not be."""
        reopen_closed()
        os.umask(0o077)
        # A timer would end this process, or a profiler's error come out of our own code.
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        sys.setprofile(None)
        sys.settrace(None)
        nothing: Any = None
        threading.setprofile(nothing)
        threading.settrace(nothing)
        sys.setrecursionlimit(max(self._recursion_limit, sys.getrecursionlimit()))
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # A scorer that has just ended must not take the sidecar along.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        self._restore_folder()
        lowered = self._restore_limits()
        if lowered:
            say(
                "WARNING: the pipeline lowers hard limits of its process ({}), which may keep it "
                "from scoring; limit the executor instead".format(", ".join(lowered))
            )

    def _restore_folder(self) -> None:
        try:
            os.getcwd()
        except OSError:
            # Removed, with all that the pipeline reads from it by relative paths.
            os.makedirs(os.path.join(self._folder, "tmp"), mode=0o700, exist_ok=True)
            os.chdir(self._folder)

    def _restore_limits(self) -> List[str]:
        lowered = []
        for name, (soft, hard) in self._limits.items():
            kind = getattr(resource, name)
            if resource.getrlimit(kind) == (soft, hard):
                continue
            try:
                resource.setrlimit(kind, (soft, hard))
            except (OSError, ValueError):
                lowered.append(name)
                _, now = resource.getrlimit(kind)
                try:
                    resource.setrlimit(kind, (now, now))
                except (OSError, ValueError):
                    pass
        return lowered
