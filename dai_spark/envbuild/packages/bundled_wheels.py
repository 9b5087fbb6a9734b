"""The wheels that an export brings: which of them are installed, and which are refused.

requirements.txt names them by their file names.  Some exports bring wheels that it does not name.
All are installed, but that of the model.
"""

import hashlib
import re
from typing import Callable, Collection, Dict, List, Optional, Sequence, Tuple

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.lists.requirement_file import RequirementLine
from dai_spark.envbuild.packages.wheel_name import WheelName, package_name, version_for_uv
from dai_spark.errors import EnvironmentBuildError

__all__ = ["check_wheel", "named_wheels", "unnamed_wheels"]

# CUDA stands in a package's name, or in its version behind a plus: tensorflow_gpu-1.13.1,
# torch-1.13.1+cu117.
_CUDA = re.compile(r"^(\w+_gpu-|[^-]+-[^-+]+\+[^-]*(cu\d|cuda|gpu))", re.IGNORECASE)


def named_wheels(
    export: ScoringPipeline,
    lines: Sequence[RequirementLine],
    python: str,
    without: Callable[[str], bool],
    notes: List[str],
) -> Tuple[List[str], Dict[str, str]]:
    """Find the wheels that the lists name, but the model's own.

    Parameters
    ----------
    export : ScoringPipeline
        The export.
    lines : sequence of RequirementLine
        The lines that name wheels, requirements.txt first.
    python : str
        Minor version of its Python; of two wheels of one package, the one for it is taken.
    without : callable
        Tells of a package whether the environment does without its wheel.
    notes : list of str
        Gets a sentence for what is not installed.

    Returns
    -------
    wheels : list of str
        Members of the export.
    absent : dict of str to str
        Packages that the environment does without, and that the export has no wheel of, to the
        wheel's name.

    Raises
    ------
    EnvironmentBuildError
        The export does not hold one, holds it with other bytes than its list says, or its lists
        name several of one package that fit.
    """
    found: Dict[str, List[str]] = {}
    absent: Dict[str, str] = {}
    for line in lines:
        package = package_name(line.target)
        if line.target == export.wheel_name:
            note = f"{line.target} belongs to one model, and travels with the pipeline"
            notes.extend([note] if note not in notes else [])
            continue
        member = _member(export, line.target)
        if member is not None:
            _check_hashes(export, member, line)
            if member not in found.setdefault(package, []):
                found[package].append(member)
        elif without(package):
            absent[package] = shown(line.target)
        else:
            raise EnvironmentBuildError(
                f"In {export.path}, {line.where} names the wheel {shown(line.target)}, which the "
                "export does not hold; export the pipeline again, with all its files, or say that "
                f"its model does without (--exclude {package})."
            )
    wheels = [_the_one(export, names, python, notes) for names in found.values()]
    return wheels, {name: text for name, text in absent.items() if name not in found}


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
        one = _the_one(export, names, python, notes)
        notes.append(f"{package}: {one} of the export, though its requirements name none")
        found.append(one)
    return found


def check_wheel(
    export: ScoringPipeline, wheel: str, python: str, kept: Collection[str], notes: List[str]
) -> None:
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
    notes : list of str
        Gets a sentence where the version has to be written in another way.

    Raises
    ------
    EnvironmentBuildError
        The wheel does not run in the environment.
    """
    name = wheel.rpartition("/")[2]
    parts = WheelName.of(name)
    if not parts.runs_on_linux():
        raise EnvironmentBuildError(
            f"{export.path} brings {name}, which is built for {'.'.join(parts.platforms)}; "
            "environments are for linux-x86_64, so export the pipeline from a Driverless AI on "
            "x86_64."
        )
    if not parts.fits(python):
        raise EnvironmentBuildError(
            f"{export.path} needs Python {python} and brings {name}, which is for another one; "
            "export the pipeline again, and do not mix files of two exports."
        )
    if _CUDA.match(name.replace("%2B", "+")) and parts.package not in kept:
        raise EnvironmentBuildError(
            f"{export.path} brings {name}, a build for NVIDIA's GPUs, and scoring here runs on "
            "CPUs; export the pipeline from a Driverless AI without GPUs, or say that its model "
            f"does without (--exclude {parts.package}) or runs with it (--keep {parts.package})."
        )
    if version_for_uv(parts.version) != parts.version:
        notes.append(
            f"{parts.package}: {name} of the export, whose version installers of today do not "
            f"take; it is installed from that file as {version_for_uv(parts.version)}"
        )


def _member(export: ScoringPipeline, name: str) -> Optional[str]:
    """Find a wheel by its name, encoded or not, with its build tag or without one."""
    members = {member.rpartition("/")[2]: member for member in export.members}
    if name in members:
        return members[name]
    wanted = WheelName.of(name)
    held = [
        (WheelName.of(base), member)
        for base, member in members.items()
        if base.endswith(".whl") and package_name(base) == wanted.package
    ]
    same = [member for one, member in held if one == wanted]
    if not wanted.build:
        same += [member for one, member in held if one._replace(build="") == wanted]
    return same[0] if same else None


def _the_one(export: ScoringPipeline, names: List[str], python: str, notes: List[str]) -> str:
    """The wheel of one package that fits; where none does, one of them, which is refused later."""
    fitting = [name for name in names if WheelName.of(name).fits(python)] or names[:1]
    if len(fitting) > 1:
        raise EnvironmentBuildError(
            f"{export.path} holds {' and '.join(fitting)}, and its requirements.txt says of "
            "neither alone that it is wanted; keep one of them in a copy of the export."
        )
    for name in names:
        if name != fitting[0]:
            notes.append(f"{package_name(name)}: {fitting[0]} of the export, and not {name}")
    return fitting[0]


def _check_hashes(export: ScoringPipeline, member: str, line: RequirementLine) -> None:
    for algorithm in sorted({one.partition(":")[0] for one in line.hashes}):
        if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
            raise EnvironmentBuildError(
                f"In {export.path}, {line.where} has a --hash of the kind {shown(algorithm)}, "
                "which no Python computes; correct it in a copy of the export."
            )
    content = export.read(member) if line.hashes else b""
    if line.hashes and not any(
        hashlib.new(algorithm, content).hexdigest() == digest.lower()
        for algorithm, _, digest in (one.partition(":") for one in line.hashes)
    ):
        raise EnvironmentBuildError(
            f"{member} of {export.path} has other bytes than the --hash in {line.where} says; it "
            "is damaged or was replaced, so export the pipeline again."
        )
