"""Repairs that old packages need in the pipeline's Python, one file each, with its reason.

Each is applied only where its need is detected, before the pipeline is imported, and said in the
sidecar's log.  A sidecar needs none for standard output without a file descriptor, which breaks
pipelines within MLflow: its own are real files.  Mixed copies of OpenBLAS are told, not repaired:
see `openblas`, beside this folder.

::

    resources_files  `importlib.resources.files` before Python 3.9
    psutil_limits    psutil's `RLIMIT_*`
    libmagic         the module `magic` on hosts without libmagic
"""

from typing import Callable, List, Optional, Tuple

from . import libmagic, psutil_limits, resources_files

__all__ = ["apply_shims"]

_SHIMS: Tuple[Tuple[str, Callable[[], Optional[str]]], ...] = (
    ("resources_files", resources_files.apply),
    ("psutil_limits", psutil_limits.apply),
    ("libmagic", libmagic.apply),
)


def apply_shims() -> List[str]:
    """Apply those that are needed; return a sentence on each that was."""
    applied = []
    for name, apply in _SHIMS:
        why = apply()
        if why is not None:
            applied.append("shim {}: {}".format(name, why))
    return applied
