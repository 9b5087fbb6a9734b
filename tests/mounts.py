"""Small disks of a test's own: full, read-only, noexec."""

import contextlib
import os
import subprocess

import pytest


@contextlib.contextmanager
def mounted(path, options):
    """Mount a tmpfs on a new folder for the time of a block; skip where that is not allowed."""
    path.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        path.rmdir()
        pytest.skip(f"this user may mount no tmpfs: {done.stderr.strip()}")
    try:
        yield path
    finally:
        # Lazily: a process that just ends may still work in it.
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=20)
        path.rmdir()


def fill(folder):
    """Fill a disk to its last byte with one file, and return the file."""
    path = folder / "filling"
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        for n_bytes in (65536, 1):
            with contextlib.suppress(OSError):
                while stream.write(bytes(n_bytes)):
                    pass
    assert os.statvfs(folder).f_bavail == 0
    return path
