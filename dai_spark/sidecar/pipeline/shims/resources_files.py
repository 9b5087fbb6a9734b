"""`importlib.resources.files` for Pythons before 3.9, from the backport importlib_resources.

Packages of later years call it, and what Driverless AI pins lets some of them in.
"""

import importlib
import importlib.util
import sys
from typing import Any, Optional

__all__ = ["apply"]


def apply() -> Optional[str]:
    """Put the backport's functions where the standard library lacks them."""
    if importlib.util.find_spec("importlib_resources") is None:
        return None
    own: Any = None
    # Python 3.6 has no such module.
    if importlib.util.find_spec("importlib.resources") is not None:
        own = importlib.import_module("importlib.resources")
    if hasattr(own, "files"):
        return None
    backport: Any = importlib.import_module("importlib_resources")
    if own is None:
        sys.modules["importlib.resources"] = backport
        setattr(importlib, "resources", backport)  # noqa: B010 - no stub knows it
        return "this Python has no importlib.resources, the backport stands in"
    own.files, own.as_file = backport.files, backport.as_file
    return "importlib.resources of this Python has no files(), the backport's stands in"
