"""Packed environments whose Python is of another C library: copies that share all other files."""

import re
import shutil
import struct
import subprocess

import pytest

WANTED = re.compile(rb"\0(GLIBC_2\.\d\d)\0")
NEW = b"GLIBC_2.99"


def copied(environment, to):
    """Copy an unpacked environment; a Python of its own can be changed. Returns that Python."""
    subprocess.run(["cp", "-al", str(environment), str(to)], check=True, timeout=120)
    python = next(p for p in to.glob("bin/python3.*") if p.suffix[1:].isdigit())
    own = python.with_name(f"{python.name}.own")
    shutil.copy2(python, own)
    own.replace(python)
    return python


def with_loader(environment, to, loader):
    """A copy whose Python is started by another loader, as one that is built for musl."""
    patchelf = shutil.which("patchelf")
    if patchelf is None:
        pytest.skip("patchelf changes programs (Debian: apt install patchelf)")
    python = copied(environment, to)
    subprocess.run([patchelf, "--set-interpreter", loader, str(python)], check=True, timeout=60)
    return to


def with_newer_library(environment, to):
    """A copy whose Python wants a version of the GNU C library that no host has yet."""
    python = copied(environment, to)
    content = python.read_bytes()
    # By name, and by the hash that stands beside it.
    old = WANTED.search(content).group(1)
    content = content.replace(b"\0" + old + b"\0", b"\0" + NEW + b"\0")
    python.write_bytes(content.replace(_hash(old), _hash(NEW)))
    return to


def _hash(name):
    found = 0
    for byte in name:
        found = (found << 4) + byte
        high = found & 0xF0000000
        found = (found ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return struct.pack("<I", found)
