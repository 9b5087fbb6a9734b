"""Renames TensorFlow as Driverless AI's own installer does, where the export brings its wheels.

The installer (``install_dependencies.sh`` of an export) moves ``tensorflow`` to ``tensorflow_cpu``
and links the old name to it, and gives the estimator and tensorboard the ending ``_dai``.  Here the
old names of those stay as links, too: what imports one or the other finds it.
"""

from pathlib import Path
from typing import Callable, Sequence

__all__ = ["rename_tensorflow"]

_NAMES = {
    "tensorflow": "tensorflow_cpu",
    "tensorflow_estimator": "tensorflow_estimator_dai",
    "tensorboard": "tensorboard_dai",
}


def rename_tensorflow(root: Path, wheels: Sequence[str], on_message: Callable[[str], None]) -> None:
    """Rename TensorFlow below `root`, where the export brought a wheel of it.

    Parameters
    ----------
    root : Path
        The prefix, its packages installed.
    wheels : sequence of str
        Members of the export that were installed.
    on_message : callable
        Gets a sentence for each package that was renamed.
    """
    if not any(wheel.rpartition("/")[2].startswith("tensorflow") for wheel in wheels):
        return
    for site in sorted(root.glob("lib/python*/site-packages")):
        for old, new in _NAMES.items():
            if (site / old).is_dir() and not (site / new).exists():
                (site / old).rename(site / new)
                (site / old).symlink_to(new)
                on_message(
                    f"{old} is {new} now, as Driverless AI's installer names it, and a link to it"
                )
