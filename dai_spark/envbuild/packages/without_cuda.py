"""Takes builds without CUDA in place of builds with it, which are half a gigabyte and more.

XGBoost and TensorFlow have them under names of their own.  PyTorch has them under its own name as
``torch==1.13.1+cpu``, and not on the public index, which has the builds with CUDA alone: they are
on PyTorch's own page, or on a mirror of it, which a build names with ``--find-links``.
"""

from typing import Callable, Collection, Dict, List, Optional

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from dai_spark.envbuild.packages.requirements import exact_pin
from dai_spark.errors import EnvironmentBuildError

__all__ = ["take_cpu_builds"]

# The name without CUDA, and the first release of it.
_RENAMED = {
    "xgboost": ("xgboost-cpu", "2.1.0"),
    "tensorflow": ("tensorflow-cpu", "1.15.0"),
    "tensorflow-gpu": ("tensorflow-cpu", "1.15.0"),
}
# Before there was tensorflow-cpu, tensorflow was what it is now.
_BEFORE = {"tensorflow-gpu": "tensorflow"}
_PYTORCH_PACKAGES = ("torch", "torchvision", "torchaudio")
_PAGE = "https://download.pytorch.org/whl/torch_stable.html"


def take_cpu_builds(
    lines: Dict[str, str],
    overrides: Dict[str, str],
    notes: List[str],
    *,
    settled: Collection[str],
    offered: Callable[[str], bool],
) -> None:
    """Replace pins of builds with CUDA.  Changes them in place.

    Parameters
    ----------
    lines, overrides : dict of str to str
        Requirements by canonical name, and pins that win over what packages declare.
    notes : list of str
        Gets a sentence for each package.
    settled : collection of str
        Canonical names that the user has named: they stay as they are.
    offered : callable
        Tells whether the sources have a requirement such as ``"torch==1.13.1+cpu"``.

    Raises
    ------
    EnvironmentBuildError
        A build of PyTorch with CUDA is pinned, and neither it nor the one without can be had.
    """
    for name in sorted({*_RENAMED, *_PYTORCH_PACKAGES} & set(lines) - set(settled)):
        version = _pinned(lines[name])
        if version is None:
            continue
        if name in _RENAMED:
            _rename(name, version, lines, overrides, notes)
        else:
            lines[name] = overrides[name] = _pytorch_line(
                name, version, lines[name], notes, offered
            )


def _rename(
    name: str,
    version: Version,
    lines: Dict[str, str],
    overrides: Dict[str, str],
    notes: List[str],
) -> None:
    cpu_name, first = _RENAMED[name]
    if version < Version(first):
        if name not in _BEFORE:
            return
        cpu_name = _BEFORE[name]
    listed = lines.pop(name)
    overrides.pop(name, None)
    lines[cpu_name] = overrides[cpu_name] = f"{cpu_name}=={version.public}"
    notes.append(f"{name}: {lines[cpu_name]} instead of {listed}, its build without CUDA")


def _pytorch_line(
    name: str, version: Version, listed: str, notes: List[str], offered: Callable[[str], bool]
) -> str:
    """The line to take."""
    if version.local == "cpu":
        return listed
    without = f"{name}=={version.public}+cpu"
    if offered(without):
        notes.append(f"{name}: {without} instead of {listed}, its build without CUDA")
        return without
    why = (
        f"no place that packages come from has {without} for this Python: --find-links names one "
        f"({_PAGE})"
    )
    if version.local and not offered(f"{name}=={version}"):
        raise EnvironmentBuildError(
            f"The export pins {listed}, a build with CUDA that the index does not have, and {why}; "
            f"or do without it: --exclude {name}."
        )
    notes.append(f"{name}: {listed} as listed, with CUDA and some gigabytes, since {why}")
    return listed


def _pinned(line: str) -> Optional[Version]:
    try:
        pin = exact_pin(Requirement(line))
        return Version(pin) if pin is not None else None
    except (InvalidRequirement, InvalidVersion):
        return None
