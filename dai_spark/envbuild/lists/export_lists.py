"""All lists of an export: requirements.txt, the constraints, environment.yml, what they include."""

import posixpath
from dataclasses import dataclass, field
from typing import List, Set

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.lists.environment_file import CondaPackage, read_environment_file
from dai_spark.envbuild.lists.plain_text import decoded
from dai_spark.envbuild.lists.requirement_file import RequirementLine, read_lines
from dai_spark.errors import EnvironmentBuildError

__all__ = ["ExportLists", "read_export_lists"]

# Later ones win.
_CONSTRAINTS = ("full_constraints.txt", "req_constraints_deps.txt")
# What is about where and how pip looks for packages; its consequences are the user's to decide.
_NOT_FOLLOWED = (
    "is not followed, since an export does not decide where packages come from or how they are "
    "built: --find-links and uv's settings do"
)


@dataclass
class ExportLists:
    """The lines of an export's lists; each line is in one of these, or in a note.

    Attributes
    ----------
    listed : list of RequirementLine
        Requirements and wheels of requirements.txt and the lists that it includes.
    constraints : list of RequirementLine
        Requirements of the constraints.
    conda : list of CondaPackage
        Packages of environment.yml that conda would install.
    conda_pip : list of RequirementLine
        Requirements and wheels of environment.yml that pip would install.
    notes : list of str
        A sentence for each line that is not followed.
    """

    listed: List[RequirementLine] = field(default_factory=list)
    constraints: List[RequirementLine] = field(default_factory=list)
    conda: List[CondaPackage] = field(default_factory=list)
    conda_pip: List[RequirementLine] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


def read_export_lists(export: ScoringPipeline) -> ExportLists:
    """Read all lists of an export.

    Parameters
    ----------
    export : ScoringPipeline
        The export.

    Returns
    -------
    ExportLists

    Raises
    ------
    EnvironmentBuildError
        A line is none that pip takes, or includes a file that the export does not hold;
        environment.yml cannot be read.
    """
    lists = ExportLists()
    for name in _CONSTRAINTS:
        if name in export.members:
            _read_constraints(export, name, lists, {name})
    lines = read_lines(_text(export, "requirements.txt"), "requirements.txt")
    _sort(export, lines, "", lists.listed, lists, {"requirements.txt"})
    if "environment.yml" in export.members:
        found = read_environment_file(
            _text(export, "environment.yml"), "environment.yml", str(export.path)
        )
        lists.conda += found.conda
        # `-r requirements.txt` is the usual line here, and was read.
        _sort(export, list(found.pip), "", lists.conda_pip, lists, {"requirements.txt"})
    return lists


def _read_constraints(
    export: ScoringPipeline, name: str, lists: ExportLists, seen: Set[str]
) -> None:
    for line in read_lines(_text(export, name), name):
        if line.kind == "requirement":
            lists.constraints.append(line)
        elif line.kind in ("file", "constraints"):
            member = _member(export, line, posixpath.dirname(name))
            if member not in seen:
                seen.add(member)
                _read_constraints(export, member, lists, seen)
        elif line.kind == "option":
            lists.notes.append(f"{line.target} ({line.where}) {_NOT_FOLLOWED}")
        else:
            lists.notes.append(f"{line.text} ({line.where}) is no pin, and is not followed")


def _sort(
    export: ScoringPipeline,
    lines: List[RequirementLine],
    folder: str,
    to: List[RequirementLine],
    lists: ExportLists,
    seen: Set[str],
) -> None:
    """Put each line where it belongs; `seen` are the lists that were read, each once."""
    for line in lines:
        if line.kind in ("requirement", "wheel"):
            to.append(line)
        elif line.kind == "option":
            lists.notes.append(f"{line.target} ({line.where}) {_NOT_FOLLOWED}")
        elif line.kind == "wrong":
            raise EnvironmentBuildError(
                f"In {export.path}, {line.where} is {line.text!r}, which is no requirement "
                f"({line.target}); correct it in a copy of the export."
            )
        else:
            member = _member(export, line, folder)
            if line.kind == "constraints" and member not in _CONSTRAINTS:
                _read_constraints(export, member, lists, {*_CONSTRAINTS, member})
            elif line.kind == "file" and member not in seen:
                seen.add(member)
                below = read_lines(_text(export, member), member)
                _sort(export, below, posixpath.dirname(member), to, lists, seen)


def _member(export: ScoringPipeline, line: RequirementLine, folder: str) -> str:
    """Find the list that a line includes, in the export alone."""
    member = posixpath.normpath(posixpath.join(folder, line.target))
    if member not in export.members:
        raise EnvironmentBuildError(
            f"In {export.path}, {line.where} is {line.text!r}, and the export holds no such file; "
            "export the pipeline again, with all its files, or correct the line in a copy of it."
        )
    return member


def _text(export: ScoringPipeline, member: str) -> str:
    return decoded(export.read(member)) if member in export.members else ""
