"""Which packages an environment gets: those of an export, or those of a DAI line's lock.

An export's requirements.txt is written for pip's legacy resolver: pins stand in it twice,
wheel files of the export are named bare, and what its packages declare of each other may
contradict the pins.  So pins are merged here, and handed to uv as overrides too: a pin always
wins over what another package declares, as it did with the legacy resolver.
"""

import pkgutil
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.packages.bundled_wheels import (
    check_wheel,
    named_wheels,
    package_of,
    unnamed_wheels,
)
from dai_spark.envbuild.packages.package_sources import NETWORK, Sources
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice, choose, requirement_lines
from dai_spark.envbuild.packages.uv import is_offered
from dai_spark.envbuild.packages.without_cuda import take_cpu_builds
from dai_spark.errors import EnvironmentBuildError

__all__ = ["Wanted", "from_export", "from_line"]

# https://docs.h2o.ai: 3.6 up to DAI 1.9, 3.8 in 1.10, 3.11 since 1.11.
_PYTHON_OF_LINE = {"1.8": "3.6", "1.9": "3.6", "1.10": "3.8", "1.11": "3.11"}
# Exports list these in environment.yml, outside its pip section, and not in requirements.txt;
# all else outside that section are conda's names for system libraries and tools.
_CONDA_ALSO = {"psutil", "tabulate", "cgroupspy"}
_OF_A_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9-]*: ")
# The first Python with importlib.resources.files; for those before, the sidecar has a shim that
# wants the backport.
_HAS_RESOURCES_FILES = Version("3.9")


class Wanted(NamedTuple):
    """What is to be installed.

    Attributes
    ----------
    python : str
        ``"3.8"``.
    dai_line, core_version : str or None
    lines : tuple of str
        Requirements from the package index, each package once.
    wheels : tuple of str
        Members of the export that are installed from it.
    overrides : tuple of str
        Pins that overrule what packages declare of each other.
    source : str
        What this was taken from, for the manifest.
    notes : tuple of str
        Sentences on what was resolved, replaced or left out: ``"numpy: ..."`` of a package.
    """

    python: str
    dai_line: Optional[str]
    core_version: Optional[str]
    lines: Tuple[str, ...]
    wheels: Tuple[str, ...]
    overrides: Tuple[str, ...]
    source: str
    notes: Tuple[str, ...]

    def table(self) -> List[str]:
        """Lines for a terminal: a row of each package that was decided on, then what is wanted."""
        # Sorted by name alone: what was decided of one package stays in its order.
        rows = sorted(
            (note.split(": ", 1) for note in self.notes if _OF_A_PACKAGE.match(note)),
            key=lambda row: row[0],
        )
        width = max((len(row[0]) for row in rows), default=0)
        wheels = [wheel.rpartition("/")[2] for wheel in self.wheels]
        lines = [
            *(note for note in self.notes if not _OF_A_PACKAGE.match(note)),
            *([f"of {self.source}, package by package:"] if rows else []),
            *(f"  {name:<{width}}  {why}" for name, why in rows),
            f"wanted for Python {self.python}: {', '.join([*self.lines, *wheels]) or 'nothing'}",
        ]
        # An address may hold a password.
        return [re.sub(r"(\w+://)[^/\s@]+@", r"\1", line) for line in lines]


def from_line(line: str, choice: Choice = AS_LISTED) -> Wanted:
    """Take the lock of a Driverless AI line.

    Raises
    ------
    EnvironmentBuildError
        There is no lock for that line.
    OptionError
        Of the choice.
    """
    if line not in _PYTHON_OF_LINE:
        raise EnvironmentBuildError(
            f"dai_spark has no lock for Driverless AI {line!r}, only for "
            f"{', '.join(_PYTHON_OF_LINE)}; build from an export: "
            "`dai-spark env build --reference scorer.zip -o env.tar.gz`."
        )
    content = pkgutil.get_data("dai_spark.envbuild", f"specs/dai-{line}.lock") or b""
    lines = _pins(content.decode("utf-8"))
    overrides: Dict[str, str] = {}
    notes: List[str] = []
    choose(lines, overrides, choice, notes)
    return Wanted(
        python=_PYTHON_OF_LINE[line],
        dai_line=line,
        core_version=None,
        lines=tuple(lines[name] for name in sorted(lines)),
        wheels=(),
        overrides=tuple(overrides[name] for name in sorted(overrides)),
        source=f"the lock of Driverless AI {line}",
        notes=(
            "h2oaicore exists only inside an export and is not in this environment: it serves "
            "stand-in pipelines and pipelines without h2oaicore; for a real one build with "
            "`dai-spark env build --reference scorer.zip`",
            *notes,
        ),
    )


def from_export(
    pipeline: ScoringPipeline, choice: Choice = AS_LISTED, sources: Sources = NETWORK
) -> Wanted:
    """Take what an export lists, and the wheels that it brings, but what only training wants.

    `sources` are asked for PyTorch's builds without CUDA, where the export lists PyTorch.

    Raises
    ------
    EnvironmentBuildError
        It lists nothing, names a wheel that it does not hold, or does not tell its Python; the
        sources cannot be asked.
    OptionError
        Of the choice.
    """
    if "requirements.txt" not in pipeline.members:
        raise EnvironmentBuildError(
            f"{pipeline.path} holds no requirements.txt, so what it needs is not known; "
            "export the pipeline again, or build with --dai."
        )
    python = pipeline.python or _PYTHON_OF_LINE.get(pipeline.dai_line or "")
    if python is None:
        raise EnvironmentBuildError(
            f"{pipeline.path} brings no h2oaicore wheel, so neither its Python nor its Driverless "
            "AI version is known; use an export that holds its wheels, or build with --dai."
        )
    notes: List[str] = []
    constraints = _pins(_text(pipeline, "full_constraints.txt"))
    constraints.update(_pins(_text(pipeline, "req_constraints_deps.txt")))
    listed = requirement_lines(_text(pipeline, "requirements.txt"))
    files = [line for line in listed if line.endswith(".whl") and " @ " not in line]
    wheels = named_wheels(pipeline, files)
    wheels += unnamed_wheels(pipeline, wheels, python, notes)
    plain = _plain(pipeline, [line for line in listed if line not in files])
    merged = _merge(plain, constraints, notes)
    for name, line in _conda_lines(_text(pipeline, "environment.yml")).items():
        _note_other(name, merged.setdefault(name, line), line, "environment.yml", notes)
    brought = {package_of(wheel) for wheel in wheels}
    for name in sorted(brought & set(merged)):
        notes.append(f"{name}: the export's own wheel is taken, not {merged[name]} of the index")
    lines = {name: line for name, line in merged.items() if name not in brought}
    overrides = {name: line for name, line in constraints.items() if name not in brought}
    overrides.update((name, line) for name, line in lines.items() if "==" in line)
    take_cpu_builds(
        lines,
        overrides,
        notes,
        settled=choice.named(),
        offered=lambda line: is_offered(line, python, sources),
    )
    if Version(python) < _HAS_RESOURCES_FILES and "importlib-resources" not in lines:
        lines["importlib-resources"] = "importlib-resources"
        notes.append(f"importlib-resources: added, since Python {python} lacks what it gives")
    wheels = _chosen_wheels(wheels, lines, overrides, choice, notes)
    for wheel in wheels:
        check_wheel(pipeline, wheel, python, choice.named())
    has_core = "h2oaicore" in brought
    if not has_core:
        notes.append(f"{pipeline.path.name} brings no h2oaicore wheel, so none is in it")
    return Wanted(
        python=python,
        dai_line=pipeline.dai_line,
        core_version=pipeline.dai_version if has_core else None,
        lines=tuple(lines[name] for name in sorted(lines)),
        wheels=tuple(sorted(wheels)),
        overrides=tuple(overrides[name] for name in sorted(overrides)),
        source=f"an export of Driverless AI {pipeline.dai_version or pipeline.dai_line}",
        notes=tuple(notes),
    )


def _text(pipeline: ScoringPipeline, member: str) -> str:
    if member not in pipeline.members:
        return ""
    return pipeline.read(member).decode("utf-8", "replace")


def _pins(text: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for line in requirement_lines(text):
        try:
            found[canonicalize_name(Requirement(line).name)] = line
        except InvalidRequirement:
            continue
    return found


def _plain(pipeline: ScoringPipeline, lines: List[str]) -> List[Requirement]:
    plain: List[Requirement] = []
    for line in lines:
        try:
            plain.append(Requirement(line))
        except InvalidRequirement as error:
            raise EnvironmentBuildError(
                f"requirements.txt of {pipeline.path} holds the line {line!r}, which is no "
                f"requirement ({str(error).splitlines()[0]}); correct it in a copy of the export."
            ) from error
    return plain


def _chosen_wheels(
    wheels: List[str],
    lines: Dict[str, str],
    overrides: Dict[str, str],
    choice: Choice,
    notes: List[str],
) -> List[str]:
    """Apply the choice to requirements and to the export's wheels alike; the wheels that stay."""
    named: Dict[str, str] = {package_of(wheel): wheel for wheel in wheels}
    listed: Dict[str, str] = {**lines, **named}
    # What the export brings needs no compiler: the reason why this one is left out elsewhere.
    keep = (*choice.keep, *(name for name in ("pyorc",) if name in named))
    choose(listed, overrides, choice._replace(keep=keep), notes)
    stay = {name for name, text in listed.items() if text == named.get(name)}
    lines.clear()
    lines.update({name: text for name, text in listed.items() if name not in stay})
    return [named[name] for name in sorted(stay)]


def _merge(
    plain: List[Requirement], constraints: Dict[str, str], notes: List[str]
) -> Dict[str, str]:
    """Keep each package once: what the constraints say, else the line that was written last."""
    listed: Dict[str, List[str]] = {}
    for requirement in plain:
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
            _note_other(name, merged[name], fixed, "the constraints", notes)
    return merged


def _note_other(name: str, taken: str, other: str, where: str, notes: List[str]) -> None:
    """Say that a file of the export has another pin than the one that is taken."""
    try:
        ours, theirs = (Requirement(line).specifier for line in (taken, other))
    except InvalidRequirement:
        return  # of conda's own grammar; uv says what it does not take
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
        if package.endswith(".whl") or not (in_pip or name in _CONDA_ALSO):
            continue
        conda = re.match(r"^=([^=]+)", version)
        found[name] = f"{name}=={conda[1]}" if conda else f"{name}{version}"
    return found
