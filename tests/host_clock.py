"""Wall clocks of a test's own: a library that is preloaded, and the file that puts it."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("host_clock.c")
# Where the library looks unless HOST_CLOCK_FILE says otherwise.
FILE = "/etc/host_clock"


def built(folder):
    """Compile the library into a folder; skip where nothing compiles C."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a host's own clock is a library of C (Debian: apt install gcc)")
    library = folder / "host_clock.so"
    words = ["-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run([compiler, *words], check=True, timeout=60)
    return library


def put(file, offset_s):
    """Put the clock so many seconds forward, for processes that run as well."""
    with file.open("r+b" if file.exists() else "wb") as stream:
        stream.write(struct.pack("q", offset_s))
