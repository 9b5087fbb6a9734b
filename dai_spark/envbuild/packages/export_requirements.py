"""The requirements of an export: what it lists, and the wheels that it brings.

An export's requirements.txt is written for pip's legacy resolver: pins stand in it twice,
wheel files of the export are named bare, and what its packages declare of each other may
contradict the pins.  So pins are merged here, and handed to uv as overrides too: a pin always
wins over what another package declares, as it did with the legacy resolver.
"""

import re
from typing import Collection, Dict, List, Optional

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.packages.bundled_wheels import (
    check_wheel,
    named_wheels,
    package_name,
    unnamed_wheels,
)
from dai_spark.envbuild.packages.package_sources import NETWORK, PackageSources
from dai_spark.envbuild.packages.requirements import (
    PYTHON_BY_DAI_LINE,
    RequirementSet,
    pins_by_name,
)
from dai_spark.envbuild.packages.selection import (
    AS_LISTED,
    Choice,
    requirement_lines,
    select_packages,
)
from dai_spark.envbuild.packages.uv import is_offered
from dai_spark.envbuild.packages.without_cuda import take_cpu_builds
from dai_spark.errors import EnvironmentBuildError

__all__ = ["from_export"]

# Exports list these in environment.yml, outside its pip section, and not in requirements.txt;
# all else outside that section are conda's names for system libraries and tools.
_CONDA_PACKAGES = {"psutil", "tabulate", "cgroupspy"}
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
    notes: List[str] = []
    listed = requirement_lines(_text(export, "requirements.txt"))
    wheel_lines = [line for line in listed if line.endswith(".whl") and " @ " not in line]
    wheels = named_wheels(export, wheel_lines)
    wheels += unnamed_wheels(export, wheels, python, notes)
    bundled = {package_name(wheel) for wheel in wheels}

    constraints = _constraints(export)
    index_lines = [line for line in listed if line not in wheel_lines]
    lines = _merge_lines(export, index_lines, constraints, notes)
    lines = _without_bundled(lines, bundled, notes)
    overrides = {name: line for name, line in constraints.items() if name not in bundled}
    overrides.update((name, line) for name, line in lines.items() if "==" in line)
    take_cpu_builds(
        lines,
        overrides,
        notes,
        settled=choice.named(),
        offered=lambda line: is_offered(line, python, sources),
    )
    _add_resources_backport(lines, python, notes)

    wheels = _chosen_wheels(wheels, lines, overrides, choice, notes)
    for wheel in wheels:
        check_wheel(export, wheel, python, choice.named())
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


def _constraints(export: ScoringPipeline) -> Dict[str, str]:
    pins = pins_by_name(_text(export, "full_constraints.txt"))
    pins.update(pins_by_name(_text(export, "req_constraints_deps.txt")))
    return pins


def _merge_lines(
    export: ScoringPipeline, lines: List[str], constraints: Dict[str, str], notes: List[str]
) -> Dict[str, str]:
    """Merge requirements.txt, the constraints and environment.yml: one line for each package."""
    merged = _merge_pins(_parse(export, lines), constraints, notes)
    for name, line in _conda_lines(_text(export, "environment.yml")).items():
        taken = merged.setdefault(name, line)
        _note_other_pin(name, taken, line, "environment.yml", notes)
    return merged


def _without_bundled(
    lines: Dict[str, str], bundled: Collection[str], notes: List[str]
) -> Dict[str, str]:
    """Drop the packages that the export brings as wheels."""
    for name in sorted(set(bundled) & set(lines)):
        notes.append(f"{name}: the export's own wheel is taken, not {lines[name]} of the index")
    return {name: line for name, line in lines.items() if name not in bundled}


def _add_resources_backport(lines: Dict[str, str], python: str, notes: List[str]) -> None:
    if Version(python) < _HAS_RESOURCES_FILES and "importlib-resources" not in lines:
        lines["importlib-resources"] = "importlib-resources"
        notes.append(f"importlib-resources: added, since Python {python} lacks what it gives")


def _text(export: ScoringPipeline, member: str) -> str:
    if member not in export.members:
        return ""
    return export.read(member).decode("utf-8", "replace")


def _parse(export: ScoringPipeline, lines: List[str]) -> List[Requirement]:
    parsed: List[Requirement] = []
    for line in lines:
        try:
            parsed.append(Requirement(line))
        except InvalidRequirement as error:
            raise EnvironmentBuildError(
                f"requirements.txt of {export.path} holds the line {line!r}, which is no "
                f"requirement ({str(error).splitlines()[0]}); correct it in a copy of the export."
            ) from error
    return parsed


def _chosen_wheels(
    wheels: List[str],
    lines: Dict[str, str],
    overrides: Dict[str, str],
    choice: Choice,
    notes: List[str],
) -> List[str]:
    """Apply the choice to requirements and to the export's wheels; return the wheels that stay."""
    named: Dict[str, str] = {package_name(wheel): wheel for wheel in wheels}
    listed: Dict[str, str] = {**lines, **named}
    # pyorc is left out since it has to be compiled, and a wheel of the export need not be.
    keep = (*choice.keep, *(name for name in ("pyorc",) if name in named))
    select_packages(listed, overrides, choice._replace(keep=keep), notes)
    stay = {name for name, text in listed.items() if text == named.get(name)}
    lines.clear()
    lines.update({name: text for name, text in listed.items() if name not in stay})
    return [named[name] for name in sorted(stay)]


def _merge_pins(
    parsed: List[Requirement], constraints: Dict[str, str], notes: List[str]
) -> Dict[str, str]:
    """Keep each package once: what the constraints say, else the line that was written last."""
    listed: Dict[str, List[str]] = {}
    for requirement in parsed:
        texts = listed.setdefault(canonicalize_name(requirement.name), [])
        if str(requirement) not in texts:
            texts.append(str(requirement))
    merged: Dict[str, str] = {}
    for name, texts in listed.items():
        fixed = constraints.get(name)
        merged[name] = fixed if fixed and len(texts) > 1 else texts[-1]
        if len(texts) > 1:
            why = "as its constraints say" if fixed else "which stands last"
            notes.append(f"{name}: the export lists {' and '.join(texts)}; taken is "
                         f"{merged[name]}, {why}")  # fmt: skip
        elif fixed:
            _note_other_pin(name, merged[name], fixed, "the constraints", notes)
    return merged


def _note_other_pin(name: str, taken: str, other: str, where: str, notes: List[str]) -> None:
    """Say that a file of the export has another pin than the one that is taken."""
    try:
        ours, theirs = (Requirement(line).specifier for line in (taken, other))
    except InvalidRequirement:
        return  # conda's own grammar; uv says what it does not take
    if ours != theirs and "==" in str(ours) and "==" in str(theirs):
        notes.append(f"{name}: {taken} of requirements.txt, not {other} of {where}")


def _conda_lines(text: str) -> Dict[str, str]:
    """Read the packages of environment.yml that pip can install; a line each, as exported."""
    found: Dict[str, str] = {}
    pip_indent: Optional[int] = None
    for line in text.splitlines():
        match = re.match(r"^(\s*)-\s+([A-Za-z0-9][\w.-]*)\s*(:?)\s*((?:[=<>!~]=?[^\s#]*)?)", line)
        if match is None:
            continue
        indent, package, colon, version = len(match[1]), match[2], match[3], match[4]
        if package == "pip" and colon:
            pip_indent = indent
            continue
        in_pip = pip_indent is not None and indent > pip_indent
        name = canonicalize_name(package)
        if package.endswith(".whl") or not (in_pip or name in _CONDA_PACKAGES):
            continue
        conda = re.match(r"^=([^=]+)", version)
        found[name] = f"{name}=={conda[1]}" if conda else f"{name}{version}"
    return found
