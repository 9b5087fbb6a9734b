"""Reads environment.yml: YAML by a YAML library, its packages by conda's grammar."""

import re
from typing import List, NamedTuple, Optional, Tuple

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.lists.requirement_file import RequirementLine, read_lines
from dai_spark.errors import EnvironmentBuildError

__all__ = ["CondaPackage", "EnvironmentFile", "read_environment_file"]

# [channel::]name[version[=build]], and the same with spaces.
_CONDA = re.compile(r"^(?:[^\s:]+::)?([A-Za-z0-9_][\w.-]*)\s*(.*)$")
_CONDA_PIN = re.compile(r"^(={0,2})\s*(\d[\w.!+]*?)(\.?\*)?(?:\s*[=\s]\s*([\w.*-]+))?$")
_THREE_NUMBERS = 3


class CondaPackage(NamedTuple):
    """A package that conda would install.

    Attributes
    ----------
    where : str
        ``"line 7 of environment.yml"``.
    text : str
        The package as it may be shown.
    name : str
        Its canonical name.
    line : str or None
        The same as a requirement of pip; None where it cannot be written as one.
    """

    where: str
    text: str
    name: str
    line: Optional[str]


class EnvironmentFile(NamedTuple):
    """The contents of environment.yml.

    Attributes
    ----------
    conda : tuple of CondaPackage
        Packages that conda would install.
    pip : tuple of RequirementLine
        What it would leave to pip.
    """

    conda: Tuple[CondaPackage, ...] = ()
    pip: Tuple[RequirementLine, ...] = ()


def read_environment_file(text: str, file: str, export: str) -> EnvironmentFile:
    """Read environment.yml; nothing in it is constructed but text.

    Parameters
    ----------
    text : str
        Its text.
    file : str
        What messages call it.
    export : str
        Path of the export, for messages.

    Returns
    -------
    EnvironmentFile

    Raises
    ------
    EnvironmentBuildError
        It is no YAML, or its dependencies are no list of packages.
    """
    conda: List[CondaPackage] = []
    pip: List[RequirementLine] = []
    try:
        for node in _items(_document(text), "dependencies"):
            if isinstance(node, yaml.ScalarNode):
                conda.append(_conda_package(node, file))
                continue
            for installer, below in _pairs(node):
                if installer != "pip":
                    raise _ShapeError(f"{installer} installs nothing here", node)
                for one in _entries(below):
                    pip += read_lines(_scalar(one), file, first_line=one.start_mark.line + 1)
    except (yaml.YAMLError, _ShapeError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f" (line {mark.line + 1})" if mark is not None else ""
        why = shown(str(getattr(error, "problem", None) or error).splitlines()[0])
        raise EnvironmentBuildError(
            f"{file} of {export} is no list of packages as conda reads it: {why}{at}; correct it "
            "in a copy of the export."
        ) from error
    except RecursionError as error:
        raise EnvironmentBuildError(
            f"{file} of {export} is nested too deeply for a list of packages; correct it in a copy "
            "of the export."
        ) from error
    return EnvironmentFile(tuple(conda), tuple(pip))


class _ShapeError(Exception):
    """YAML of another shape than conda's."""

    def __init__(self, problem: str, node: yaml.Node) -> None:
        super().__init__(problem)
        self.problem = problem
        self.problem_mark = node.start_mark


def _document(text: str) -> Optional[yaml.Node]:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return None if node is None or _is_null(node) else node


def _items(document: Optional[yaml.Node], key: str) -> List[yaml.Node]:
    found = [below for name, below in _pairs(document) if name == key] if document else []
    return [one for node in found for one in _entries(node)]


def _pairs(node: yaml.Node) -> List[Tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise _ShapeError("names with values are wanted here", node)
    pairs = [(_scalar(key), below) for key, below in node.value]
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _ShapeError(f"{twice} stands twice, and one of both would be lost", node)
    return pairs


def _entries(node: yaml.Node) -> List[yaml.Node]:
    if _is_null(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise _ShapeError("a list is wanted here", node)
    return list(node.value)


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _ShapeError("a text is wanted here", node)
    return str(node.value)


def _is_null(node: yaml.Node) -> bool:
    return str(node.tag) == "tag:yaml.org,2002:null"


def _conda_package(node: yaml.ScalarNode, file: str) -> CondaPackage:
    text = _scalar(node)
    match = _CONDA.match(text)
    if match is None:
        raise _ShapeError(f"{text!r} is no package", node)
    name = str(canonicalize_name(match[1]))
    line = _pip_line(match[1], match[2].strip())
    return CondaPackage(f"line {node.start_mark.line + 1} of {file}", shown(text), name, line)


def _pip_line(name: str, version: str) -> Optional[str]:
    """Write a package of conda as a requirement of pip: ``psutil=5.8=py38_0`` is an exact pin.

    One equals sign without a build allows all versions that begin so, two allow one.
    """
    pin = _CONDA_PIN.match(version)
    if pin is not None:
        equals, number, star, build = pin.groups()
        is_short = equals == "=" and build is None and number.count(".") + 1 < _THREE_NUMBERS
        version = f"=={number}.*" if star or is_short else f"=={number}"
    try:
        return str(Requirement(f"{name}{version}"))
    except InvalidRequirement:
        return None
