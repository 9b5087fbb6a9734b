"""Merges the lists of an export: one requirement for each package, and a note for each decision."""

from typing import Collection, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dai_spark.envbuild.lists.environment_file import CondaPackage
from dai_spark.envbuild.lists.export_lists import ExportLists
from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.lists.requirement_file import RequirementLine
from dai_spark.envbuild.packages.requirements import exact_pin

__all__ = ["Merged", "constraint_pins", "merge_lists"]

# Exports list these in environment.yml, outside its pip section, and not in requirements.txt;
# what else stands there alone are conda's names for system libraries, tools and servers.
_CONDA_PACKAGES = {"psutil", "tabulate", "cgroupspy"}
# They depend on the machine or the Python's last number, which uv knows.
_FOR_UV = ("full_version", "platform_release", "platform_version", "implementation_version")


class Merged(NamedTuple):
    """The requirements of an export, each package once.

    Attributes
    ----------
    lines : dict of str to str
        Canonical name to requirement.
    where : dict of str to str
        Canonical name to the place that the requirement was read from.
    hashes : dict of str to tuple of str
        Requirement to the digests that its file must have one of.
    """

    lines: Dict[str, str]
    where: Dict[str, str]
    hashes: Dict[str, Tuple[str, ...]]


def constraint_pins(lists: ExportLists, python: str) -> Dict[str, str]:
    """Read the constraints; of two lines the later one wins.

    Parameters
    ----------
    lists : ExportLists
        The lists of an export; they get notes.
    python : str
        Minor version of its Python.

    Returns
    -------
    dict of str to str
        Canonical name to requirement.
    """
    pins = {}
    for line in _holding(lists.constraints, python, lists.notes):
        if line.requirement.url is not None:
            lists.notes.append(f"{line.name}: {line.text} ({line.where}) is no pin: not followed")
            continue
        pins[line.name] = _without_marker(line)
    return pins


def merge_lists(
    lists: ExportLists,
    python: str,
    constraints: Dict[str, str],
    bundled: Collection[str],
    notes: List[str],
) -> Merged:
    """Merge requirements.txt, the constraints and environment.yml.

    Where requirements.txt lists a package in several ways, the constraints decide, else the exact
    pin that stands last, else what stands last.  Extras are joined.

    Parameters
    ----------
    lists : ExportLists
        The lists of an export.
    python : str
        Minor version of its Python; lines whose marker does not hold there are left out.
    constraints : dict of str to str
        What its constraints say, by canonical name.
    bundled : collection of str
        Canonical names of packages that the export brings as wheels.
    notes : list of str
        Gets a sentence for each line that is not taken as it stands.

    Returns
    -------
    Merged
    """
    merged = Merged({}, {}, {})
    by_name: Dict[str, List[RequirementLine]] = {}
    for line in _holding(_requirements(lists.listed), python, notes):
        by_name.setdefault(line.name, []).append(line)
    for name, lines in by_name.items():
        texts = list(dict.fromkeys(_without_marker(line) for line in lines))
        taken = _choose(name, texts, constraints.get(name), notes)
        merged.lines[name] = _with_extras(taken, texts)
        places = [line.where for line in lines if _without_marker(line) == taken]
        merged.where[name] = (places or [lines[0].where])[0]
        _keep_hashes(merged, name, lines)
    for line in _holding(_requirements(lists.conda_pip), python, notes):
        _add(merged, line.name, _without_marker(line), line.where, notes)
        _keep_hashes(merged, line.name, [line])
    _add_conda(merged, lists.conda, python, bundled, notes)
    for name in sorted(set(bundled) & set(merged.lines)):
        text = shown(merged.lines.pop(name))
        notes.append(f"{name}: the export's own wheel is taken, not {text}")
    return merged


def _requirements(lines: Iterable[RequirementLine]) -> List[RequirementLine]:
    return [line for line in lines if line.kind == "requirement"]


def _holding(
    lines: Iterable[RequirementLine], python: str, notes: List[str]
) -> List[RequirementLine]:
    """Keep the lines whose marker holds in the environment."""
    found = []
    for line in lines:
        marker = line.requirement.marker
        if marker is None or _holds(marker, python):
            found.append(line)
        else:
            notes.append(f"{line.name}: {line.text} ({line.where}) is not for Python {python} here")
    return found


def _holds(marker: Marker, python: str) -> bool:
    if any(name in str(marker) for name in _FOR_UV):
        return True
    here = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_version": python,
        "sys_platform": "linux",
        "extra": "",
    }
    try:
        return bool(marker.evaluate(here))
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


def _without_marker(line: RequirementLine) -> str:
    """The requirement without its marker, which holds; one that uv has to judge is kept."""
    requirement = line.requirement
    if requirement.marker is not None and not any(
        name in str(requirement.marker) for name in _FOR_UV
    ):
        requirement.marker = None
    return str(requirement)


def _choose(name: str, texts: List[str], fixed: Optional[str], notes: List[str]) -> str:
    """Choose between what requirements.txt says in several ways, and what the constraints say."""
    if len(texts) == 1 and (fixed is None or not _is_narrower(fixed, texts[0])):
        if fixed is not None:
            _note_other_pin(name, texts[0], fixed, "the constraints", notes)
        return texts[0]
    pinned = [text for text in texts if _is_exact(text)]
    if fixed is not None and not (pinned and not _is_exact(fixed)):
        taken, why = fixed, "as its constraints say"
    else:
        taken = (pinned or texts)[-1]
        why = "which stands last" if len(pinned) in (0, len(texts)) else "the exact pin"
    listed = " and ".join(shown(text) for text in texts)
    notes.append(f"{name}: the export lists {listed}; taken is {shown(taken)}, {why}")
    return taken


def _is_narrower(one: str, other: str) -> bool:
    """Whether a requirement is an exact pin of what the other allows in several versions."""
    return _is_exact(one) and not _is_exact(other) and Requirement(other).url is None


def _is_exact(line: str) -> bool:
    return exact_pin(Requirement(line)) is not None


def _with_extras(taken: str, texts: List[str]) -> str:
    extras: Set[str] = set()
    for text in texts:
        extras |= Requirement(text).extras
    requirement = Requirement(taken)
    if extras <= requirement.extras:
        return taken
    requirement.extras |= extras
    return str(requirement)


def _keep_hashes(merged: Merged, name: str, lines: List[RequirementLine]) -> None:
    for line in lines:
        if line.hashes and _without_marker(line) == merged.lines[name]:
            known = merged.hashes.get(merged.lines[name], ())
            merged.hashes[merged.lines[name]] = tuple(dict.fromkeys((*known, *line.hashes)))


def _add(merged: Merged, name: str, line: str, where: str, notes: List[str]) -> None:
    """Add what environment.yml says, where requirements.txt says nothing or less."""
    taken = merged.lines.setdefault(name, line)
    merged.where.setdefault(name, where)
    if _is_narrower(line, taken):
        merged.lines[name] = _with_extras(line, [taken])
        notes.append(f"{name}: {shown(line)} of environment.yml, the exact pin, not {taken}")
        return
    merged.lines[name] = _with_extras(taken, [line])
    _note_other_pin(name, taken, line, "environment.yml", notes)


def _add_conda(
    merged: Merged,
    packages: Iterable[CondaPackage],
    python: str,
    bundled: Collection[str],
    notes: List[str],
) -> None:
    for package in dict.fromkeys(packages):
        name, told = package.name, f"{package.text} ({package.where})"
        if name == "python":
            notes.append(f"python: {python}, which its wheels are for; {told} is conda's")
        elif package.line is not None and (name in merged.lines or name in _CONDA_PACKAGES):
            _add(merged, name, package.line, package.where, notes)
        elif name not in merged.lines and name not in bundled:
            notes.append(f"{name}: left out, since {told} is a package of conda alone; "
                         f"--add {name} takes one of that name from the index")  # fmt: skip
        else:
            notes.append(f"{name}: {told} is conda's, and is not followed")


def _note_other_pin(name: str, taken: str, other: str, where: str, notes: List[str]) -> None:
    """Say that a file of the export asks for something else than what is taken."""
    ours, theirs = Requirement(taken), Requirement(other)
    if (ours.specifier, ours.url) == (theirs.specifier, theirs.url):
        return
    if str(canonicalize_name(ours.name)) == name and not str(theirs.specifier) and not theirs.url:
        return  # any version will do for the other file
    notes.append(f"{name}: {shown(taken)} of requirements.txt, not {shown(other)} of {where}")
