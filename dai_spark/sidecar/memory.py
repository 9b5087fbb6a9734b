"""What this process takes of the machine's memory."""

import resource
import sys


def resident_bytes() -> int:
    """Memory of this process that is in RAM now, what it shares with its parent included.

    Elsewhere than on Linux its peak, since no more is told there.
    """
    if not sys.platform.startswith("linux"):
        return peak_bytes()
    with open("/proc/self/statm", "rb") as stream:
        return int(stream.read().split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    """The most that this process ever had in RAM."""
    # macOS counts bytes where Linux counts kilobytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
