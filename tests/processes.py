"""Looking at this machine's processes, and waiting for what they do."""

import os
import time
from pathlib import Path


def processes_of(text):
    """Command lines of this machine's processes that hold `text`, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line and int(folder.name) != os.getpid():
            found[int(folder.name)] = line
    return found


def wait_until(condition, timeout_s=15.0):
    """Wait for a condition, at most so long, and return whether it came true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())
