"""Copies of OpenBLAS in this process, and whether one of them reaches into the others.

The wheels of numpy and scipy bring a copy each.  That is no fault: a copy is seen by the package
that brings it alone.  It is one where a copy is seen by all, since it is preloaded (LD_PRELOAD) or
a package loads it with RTLD_GLOBAL.  All releases name the table by which they choose their
kernels alike (``gotoblas``), so the others then calculate by that one's: seen with numpy 1.22
(OpenBLAS 0.3.18) beside a preloaded 0.3.9, whose choice of processor it took over.

Nothing is repaired.  What is often advised, to preload one OpenBLAS, is just what makes one visible
to all: beside wheels that keep their own it may end a crash, and it changes the last digits of
scores.  So that is the user's to choose (docs/environments.md), and here it is only told.
"""

import ctypes
import os
import sys
from typing import Any, Dict, List, Optional, Set, Tuple

__all__ = ["copies", "mixed"]

# By which a copy tells its version; wheels give their symbols endings and beginnings of their own.
_NAMES = (
    "openblas_get_config",
    "openblas_get_config64_",
    "scipy_openblas_get_config",
    "scipy_openblas_get_config64_",
)
# What all releases name alike; builds for one processor have no table.
_SHARED = ("gotoblas", "openblas_get_config")


def copies() -> List[Tuple[str, str]]:
    """Path and version of each copy that is loaded."""
    return [(path, _version(library)) for path, library in sorted(_loaded().items())]


def mixed() -> Optional[str]:
    """Return a sentence where several are loaded and one is seen by all, else None."""
    loaded = _loaded()
    everywhere = _addresses(ctypes.CDLL(None))
    if len(loaded) < 2 or not everywhere:
        return None
    named = ["{} ({})".format(path, version) for path, version in copies()]
    seen = [path for path, library in sorted(loaded.items()) if everywhere & _addresses(library)]
    return (
        "{} copies of OpenBLAS are loaded ({}), and {} is visible to all libraries (preloaded, or "
        "loaded with RTLD_GLOBAL), so that the others may calculate with its tables: scores can "
        "differ in their last digits, and the process can crash. Take NumPy and SciPy of a conda "
        "channel, which share one OpenBLAS, or take away what makes one visible to all "
        "(LD_PRELOAD).".format(len(named), ", ".join(named), ", ".join(seen) or "one")
    )


def _loaded() -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    if not sys.platform.startswith("linux"):
        return found
    with open("/proc/self/maps") as stream:
        paths = {line.rstrip("\n").partition("/")[2] for line in stream if "openblas" in line}
    for path in paths:
        try:
            library = ctypes.CDLL("/" + path, mode=os.RTLD_NOLOAD)
        except OSError:
            continue  # a file that was removed since
        if any(getattr(library, name, None) is not None for name in _NAMES):
            found["/" + path] = library
    return found


def _addresses(library: Any) -> Set[int]:
    """Where what all releases name alike lies in a library, or in all that is visible to all."""
    found = set()
    for name in _SHARED:
        try:
            found.add(ctypes.addressof(ctypes.c_char.in_dll(library, name)))
        except ValueError:
            continue
    return found


def _version(library: Any) -> str:
    for name in _NAMES:
        tell = getattr(library, name, None)
        if tell is not None:
            tell.restype = ctypes.c_char_p
            words = (tell() or b"").decode("ascii", "replace").split()
            return words[1] if len(words) > 1 else "version not told"
    return "version not told"
