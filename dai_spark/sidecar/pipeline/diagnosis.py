"""What a pipeline's Python can see of libraries, for a load that failed (``diagnose=True``)."""

import ctypes.util
import os
import re
import sys
from typing import Iterator, List, Optional

from . import openblas

# What the wheels of Driverless AI's pipelines are linked with, or look for by name.
_WANTED = ("gomp", "openblas", "gfortran", "stdc++", "magic", "OpenCL")
_MISSING = re.compile(r"(lib[\w.+-]+\.so[\w.]*)")


def library_search(error: str) -> str:
    """Return lines on where libraries are looked for, and what was found and loaded.

    Parameters
    ----------
    error : str
        What the load ended with: libraries that it names are looked for in the environment.
    """
    lines = ["The search for libraries (diagnose=True):"]
    lines.append("  Python {} in {}".format(sys.version.split()[0], sys.prefix))
    lines += _listed("sys.path", sys.path)
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PATH"):
        lines += _listed(name, os.environ.get(name, "").split(":"))
    lines.append("  what ctypes.util.find_library sees")
    lines += ["    {}: {}".format(name, _found(name)) for name in _WANTED]
    for name in sorted(set(_MISSING.findall(error))):
        places = list(_places(name))
        lines.append("  {} lies in the environment:".format(name))
        lines += ["    {}".format(place) for place in places] or ["    nowhere"]
    lines += _listed("copies of OpenBLAS", ["{} {}".format(*copy) for copy in openblas.copies()])
    told = openblas.mixed()
    lines += ["    {}".format(told)] if told is not None else []
    lines += _listed("shared objects that are loaded", _loaded())
    return "\n".join(lines)


def _listed(what: str, values: List[str]) -> List[str]:
    return ["  {}".format(what)] + ["    {}".format(value) for value in values if value]


def _found(name: str) -> Optional[str]:
    try:
        return ctypes.util.find_library(name)
    except OSError as error:
        # It asks programs (gcc, ld, ldconfig) that a bare host need not have.
        return "not told ({})".format(error)


def _places(name: str) -> Iterator[str]:
    stem = name.partition(".so")[0] + ".so"
    for parent, _, names in os.walk(sys.prefix):
        for one in sorted(names):
            if one.startswith(stem):
                yield os.path.join(parent, one)


def _loaded() -> List[str]:
    with open("/proc/self/maps") as stream:
        paths = {line.rstrip("\n").partition("/")[2] for line in stream if ".so" in line}
    return sorted("/" + path for path in paths if path)
