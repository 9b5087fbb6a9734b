"""The wheels that an export brings: which of them are installed, and which are refused.

requirements.txt names them by their file names.  Some exports bring wheels that it does not name.
All are installed, but that of the model.
"""

import re
from typing import Collection, Dict, List

from packaging.utils import canonicalize_name

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import EnvironmentBuildError

__all__ = ["check_wheel", "named_wheels", "package_name", "unnamed_wheels"]

# CUDA stands in a package's name, or in its version behind a plus: tensorflow_gpu-1.13.1,
# torch-1.13.1+cu117.
_CUDA = re.compile(r"^(\w+_gpu-|[^-]+-[^-+]+\+[^-]*(cu\d|cuda|gpu))", re.IGNORECASE)


def package_name(wheel: str) -> str:
    """Tell which package a wheel holds.

    Parameters
    ----------
    wheel : str
        The wheel's name, with or without a folder.

    Returns
    -------
    str
        Canonical name of the package.
    """
    return str(canonicalize_name(wheel.rpartition("/")[2].partition("-")[0]))


def named_wheels(export: ScoringPipeline, lines: Collection[str]) -> List[str]:
    """Find the wheels that requirements name, but the model's own.

    Parameters
    ----------
    export : ScoringPipeline
        The export.
    lines : collection of str
        Lines of its requirements.txt that name wheels.

    Returns
    -------
    list of str
        Members of the export.

    Raises
    ------
    EnvironmentBuildError
        The export does not hold one.
    """
    members = {name.rpartition("/")[2]: name for name in export.members}
    found: List[str] = []
    for line in lines:
        base = line.rpartition("/")[2]
        if base == export.wheel_name:
            continue  # belongs to one model; the environment serves all of the version
        if base not in members:
            raise EnvironmentBuildError(
                f"requirements.txt of {export.path} names the wheel {base}, which the "
                "export does not hold; export the pipeline again, with all its files."
            )
        if members[base] not in found:
            found.append(members[base])
    return found


def unnamed_wheels(
    export: ScoringPipeline, named: Collection[str], python: str, notes: List[str]
) -> List[str]:
    """Find further wheels beside requirements.txt: it names no wheel of their packages.

    Parameters
    ----------
    export : ScoringPipeline
        The export.
    named : collection of str
        Wheels that its requirements name.
    python : str
        Minor version of its Python; a wheel for it is preferred.
    notes : list of str
        Gets a sentence for each wheel.

    Returns
    -------
    list of str
        Members of the export.

    Raises
    ------
    EnvironmentBuildError
        Several wheels of one package fit.
    """
    taken = {package_name(wheel) for wheel in named}
    others: Dict[str, List[str]] = {}
    for name in export.members:
        is_wheel = name.endswith(".whl") and "/" not in name and name != export.wheel_name
        if is_wheel and package_name(name) not in taken:
            others.setdefault(package_name(name), []).append(name)
    found = []
    for package, names in sorted(others.items()):
        fitting = [name for name in names if _fits(name, python)] or names[:1]
        if len(fitting) > 1:
            raise EnvironmentBuildError(
                f"{export.path} holds {' and '.join(fitting)}, and its requirements.txt says of "
                "neither that it is wanted; keep one of them in a copy of the export."
            )
        notes.append(f"{package}: {fitting[0]} of the export, though its requirements name none")
        found.append(fitting[0])
    return found


def check_wheel(export: ScoringPipeline, wheel: str, python: str, kept: Collection[str]) -> None:
    """Refuse a wheel for another processor, for another Python or for GPUs.

    Parameters
    ----------
    export : ScoringPipeline
        The export, for the message.
    wheel : str
        Member of the export.
    python : str
        Minor version of the environment's Python.
    kept : collection of str
        Canonical names of packages that the user keeps, even where they are built for GPUs.

    Raises
    ------
    EnvironmentBuildError
        The wheel does not run in the environment.
    """
    name = wheel.rpartition("/")[2]
    platforms = _tags(name)[-1]
    if platforms != "any" and not platforms.endswith("x86_64"):
        raise EnvironmentBuildError(
            f"{export.path} brings {name}, which is built for {platforms}; environments are for "
            "linux-x86_64, so export the pipeline from a Driverless AI on x86_64."
        )
    if not _fits(name, python):
        raise EnvironmentBuildError(
            f"{export.path} needs Python {python} and brings {name}, which is for another one; "
            "export the pipeline again, and do not mix files of two exports."
        )
    if _CUDA.match(name) and package_name(name) not in kept:
        package = package_name(name)
        raise EnvironmentBuildError(
            f"{export.path} brings {name}, a build for NVIDIA's GPUs, and scoring here runs on "
            "CPUs; export the pipeline from a Driverless AI without GPUs, or say that its model "
            f"does without (--exclude {package}) or runs with it (--keep {package})."
        )


def _fits(name: str, python: str) -> bool:
    interpreters, _, platforms = _tags(name)
    is_ours = not interpreters.startswith("cp") or f"cp{python.replace('.', '')}" in (
        interpreters.split(".")
    )
    return is_ours and (platforms == "any" or platforms.endswith("x86_64"))


def _tags(name: str) -> List[str]:
    return name[: -len(".whl")].rsplit("-", 3)[-3:]
