"""The requirements of an export: what it lists, and the wheels that it brings.

An export's requirements.txt is written for pip's legacy resolver: pins stand in it twice,
wheel files of the export are named bare, and what its packages declare of each other may
contradict the pins.  So pins are merged here, and handed to uv as overrides too: a pin always
wins over what another package declares, as it did with the legacy resolver.
"""

from typing import Dict, List

from packaging.requirements import Requirement
from packaging.version import Version

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.lists.export_lists import read_export_lists
from dai_spark.envbuild.packages.addresses import settle_addresses
from dai_spark.envbuild.packages.bundled_wheels import check_wheel, named_wheels, unnamed_wheels
from dai_spark.envbuild.packages.merging import constraint_pins, merge_lists
from dai_spark.envbuild.packages.package_sources import NETWORK, PackageSources
from dai_spark.envbuild.packages.requirements import (
    PYTHON_BY_DAI_LINE,
    RequirementSet,
    exact_pin,
)
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice, select_packages
from dai_spark.envbuild.packages.uv import is_offered
from dai_spark.envbuild.packages.wheel_name import package_name
from dai_spark.envbuild.packages.without_cuda import take_cpu_builds
from dai_spark.errors import EnvironmentBuildError

__all__ = ["from_export"]

# The first Python with importlib.resources.files; for those before, the sidecar has a shim that
# wants the backport.
_HAS_RESOURCES_FILES = Version("3.9")


def from_export(
    export: ScoringPipeline, choice: Choice = AS_LISTED, sources: PackageSources = NETWORK
) -> RequirementSet:
    """Read what an export lists and which wheels it brings; leave out what only training uses.

    Parameters
    ----------
    export : ScoringPipeline
        The export.
    choice : Choice, optional
        What the user says of packages.
    sources : PackageSources, optional
        Asked for PyTorch's builds without CUDA, where the export lists PyTorch.

    Returns
    -------
    RequirementSet

    Raises
    ------
    EnvironmentBuildError
        It lists nothing, names a wheel that it does not hold, or does not tell its Python; the
        sources cannot be asked.
    OptionError
        The choice names a package that the export does not list.
    """
    python = _export_python(export)
    lists = read_export_lists(export)
    notes = lists.notes
    wheel_lines = [line for line in (*lists.listed, *lists.conda_pip) if line.kind == "wheel"]
    wheels, absent = named_wheels(export, wheel_lines, python, choice.does_without, notes)
    wheels += unnamed_wheels(export, wheels, python, notes)
    bundled = {package_name(wheel) for wheel in wheels}

    constraints = constraint_pins(lists, python)
    lines, where, hashes = merge_lists(lists, python, constraints, bundled, notes)
    overrides = {name: line for name, line in constraints.items() if name not in bundled}
    overrides.update((name, line) for name, line in lines.items() if _is_fixed(line))
    take_cpu_builds(
        lines,
        overrides,
        notes,
        settled=choice.named(),
        offered=lambda line: is_offered(line, python, sources),
    )
    _add_resources_backport(lines, python, notes)

    wheels = _chosen_wheels(wheels, absent, lines, overrides, choice, notes)
    settle_addresses(
        export,
        lines,
        overrides,
        notes,
        where=where,
        given=choice.given(),
        python=python,
        sources=sources,
    )
    for wheel in wheels:
        check_wheel(export, wheel, python, choice.named(), notes)
    has_core = "h2oaicore" in bundled
    if not has_core:
        notes.append(f"{export.path.name} brings no h2oaicore wheel, so none is in it")
    return RequirementSet(
        python=python,
        dai_line=export.dai_line,
        core_version=export.dai_version if has_core else None,
        lines=tuple(lines[name] for name in sorted(lines)),
        wheels=tuple(sorted(wheels)),
        overrides=tuple(overrides[name] for name in sorted(overrides)),
        source=f"an export of Driverless AI {export.dai_version or export.dai_line}",
        notes=tuple(notes),
        hashes=tuple((line, hashes[line]) for line in sorted(hashes) if line in lines.values()),
    )


def _export_python(export: ScoringPipeline) -> str:
    """Python of an export that can be followed."""
    if "requirements.txt" not in export.members:
        raise EnvironmentBuildError(
            f"{export.path} holds no requirements.txt, so what it needs is not known; "
            "export the pipeline again, or build with --dai."
        )
    python = export.python or PYTHON_BY_DAI_LINE.get(export.dai_line or "")
    if python is None:
        raise EnvironmentBuildError(
            f"{export.path} brings no h2oaicore wheel, so neither its Python nor its Driverless "
            "AI version is known; use an export that holds its wheels, or build with --dai."
        )
    return python


def _is_fixed(line: str) -> bool:
    """Whether nothing that packages declare of each other may lead to another version."""
    requirement = Requirement(line)
    return requirement.url is not None or exact_pin(requirement) is not None


def _add_resources_backport(lines: Dict[str, str], python: str, notes: List[str]) -> None:
    if Version(python) < _HAS_RESOURCES_FILES and "importlib-resources" not in lines:
        lines["importlib-resources"] = "importlib-resources"
        notes.append(f"importlib-resources: added, since Python {python} lacks what it gives")


def _chosen_wheels(
    wheels: List[str],
    absent: Dict[str, str],
    lines: Dict[str, str],
    overrides: Dict[str, str],
    choice: Choice,
    notes: List[str],
) -> List[str]:
    """Apply the choice to requirements and to the export's wheels; return the wheels that stay."""
    named: Dict[str, str] = {package_name(wheel): wheel for wheel in wheels}
    listed: Dict[str, str] = {**lines, **named}
    listed.update((name, wheel) for name, wheel in absent.items() if name not in listed)
    # pyorc is left out since it has to be compiled, and a wheel of the export need not be.
    keep = (*choice.keep, *(name for name in ("pyorc",) if name in named))
    select_packages(listed, overrides, choice._replace(keep=keep), notes)
    stay = {name for name, text in listed.items() if text == named.get(name)}
    lines.clear()
    lines.update({name: text for name, text in listed.items() if name not in stay})
    return [named[name] for name in sorted(stay)]
