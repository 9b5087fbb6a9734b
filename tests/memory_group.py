"""A control group of a test's own that bounds memory, of version 1 or 2."""

import contextlib
import os
import time
from pathlib import Path

import pytest

ROOTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
LIMITS = ("memory.limit_in_bytes", "memory.max")


@contextlib.contextmanager
def memory_group(name, limit_bytes):
    """Make a group for a block's time; gives its file that takes processes in.

    It goes with the groups that were made in it.
    """
    root = next((root for root in ROOTS if (root / "cgroup.procs").exists()), None)
    if root is None or os.geteuid():
        pytest.skip("groups that bound memory are made by root")
    folder = root / f"{name}-{os.getpid()}"
    folder.mkdir()
    try:
        limit = next((folder / name for name in LIMITS if (folder / name).exists()), None)
        if limit is None:
            pytest.skip("no group here bounds memory")
        limit.write_text(str(limit_bytes))
        yield folder / "cgroup.procs"
    finally:
        for path in (*folder.glob("*/"), folder):
            _remove(path)


def _remove(group):
    """Remove a group when its last process has ended."""
    deadline = time.monotonic() + 30
    while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    group.rmdir()
