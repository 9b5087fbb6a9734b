"""`psutil.RLIMIT_*` and `RLIM_INFINITY` where a build or release of psutil lacks them.

Driverless AI limits its processes by these names when it is imported.
"""

import importlib
import importlib.util
import resource
from typing import Any, Optional

__all__ = ["apply"]


def apply() -> Optional[str]:
    """Give psutil the constants of the standard library's resource, whose values are the same."""
    if importlib.util.find_spec("psutil") is None:
        return None
    psutil: Any = importlib.import_module("psutil")
    known = [name for name in dir(resource) if name.startswith(("RLIMIT_", "RLIM_"))]
    missing = [name for name in known if not hasattr(psutil, name)]
    if not {"RLIMIT_NOFILE", "RLIM_INFINITY"} & set(missing):
        return None
    for name in missing:
        setattr(psutil, name, getattr(resource, name))
    return "psutil lacks {}, those of resource stand in".format(", ".join(missing))
