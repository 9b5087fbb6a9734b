"""A module `magic` for hosts without libmagic, where python-magic cannot be imported.

Driverless AI imports it to tell the kind of files that are uploaded for training, and never asks it
in scoring; bare hosts have no libmagic.
"""

import importlib
import importlib.util
import sys
import types
from typing import Any, NoReturn, Optional

__all__ = ["apply"]


def apply() -> Optional[str]:
    """Stand in for python-magic where its library is not found; asking it anything raises."""
    if importlib.util.find_spec("magic") is None:
        return None
    try:
        importlib.import_module("magic")
    except ImportError as error:
        if "libmagic" not in str(error):
            return None
    else:
        return None
    sys.modules["magic"] = _Absent("magic")
    return "this host has no libmagic; a module stands in that raises when it is asked"


class _Absent(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def ask(*_: Any, **__: Any) -> NoReturn:
            raise OSError(
                "magic.{}() wants libmagic, which this host has not; install it there "
                "(libmagic1 on Debian, file-libs on Red Hat)".format(name)
            )

        return ask
