"""`psutil.RLIMIT_*` where psutil was built without them, as some builds for old kernels are.

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
    if hasattr(psutil, "RLIMIT_NOFILE"):
        return None
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            setattr(psutil, name, getattr(resource, name))
    return "psutil has no RLIMIT_ constants, those of resource stand in"
