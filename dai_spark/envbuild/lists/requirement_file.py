"""Reads requirements files in pip's own grammar, with pip's own code.

pip has no interface for this; `pip_requirements_parser` is pip's code as a library.  It joins
lines that end in a backslash, splits comments and options off, and tells requirements, files and
addresses apart.  It opens none of the files that a text names.
"""

import codecs
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pip_requirements_parser import OPT_BY_OPTIONS_DEST, RequirementsFile

from dai_spark.envbuild.lists.plain_text import shown

__all__ = ["RequirementLine", "read_lines"]

# `name==0.8.0.dai-1.73`: pip took such versions until 24.0.
_OLD_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*?)\s*={2,3}\s*([A-Za-z0-9][\w.+!-]*)$")
_FOLLOWED = {"requirements": "file", "constraints": "constraints"}


class RequirementLine(NamedTuple):
    """One line of a requirements file, or one of several options on it.

    Attributes
    ----------
    where : str
        ``"line 3 of requirements.txt"``.
    text : str
        The line as it may be shown.
    kind : str
        ``"requirement"``; ``"wheel"``, a wheel's file without an address; ``"file"`` and
        ``"constraints"``, another list that it includes; ``"option"``, one of pip's that says
        neither; ``"wrong"``, what pip would not take.
    target : str
        The requirement as packaging reads it, with an address as ``name @ address``; the wheel's
        file name; the path of the other list; the option; why the line is wrong.
    name : str
        Canonical name of a requirement's package; else empty.
    hashes : tuple of str
        Digests that its file must have one of, ``"sha256:..."``.
    """

    where: str
    text: str
    kind: str
    target: str
    name: str = ""
    hashes: Tuple[str, ...] = ()

    @property
    def requirement(self) -> Requirement:
        """The requirement, parsed; only of the kind ``"requirement"``."""
        return Requirement(self.target)


def read_lines(text: str, file: str, *, first_line: int = 1) -> List[RequirementLine]:
    """Read a requirements file.

    Parameters
    ----------
    text : str
        Its text.
    file : str
        What messages call it.
    first_line : int, optional
        Number of its first line, where the text stands within another file.

    Returns
    -------
    list of RequirementLine
        In the order of the file; comments and empty lines are left out, and nothing else.
    """
    parsed = _parse(text)
    found: List[Tuple[int, RequirementLine]] = []
    for line in parsed.requirements:
        found.append((line.line_number, _of_requirement(line)))
    for line in parsed.options:
        found.extend((line.line_number, one) for one in _of_options(line))
    for line in parsed.invalid_lines:
        found.append((line.line_number, _of_invalid(line)))
    return [
        one._replace(where=f"line {number + first_line - 1} of {file}", text=shown(one.text))
        for number, one in sorted(found, key=lambda pair: pair[0])
    ]


def _parse(text: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        path = Path(folder) / "requirements.txt"
        # With the mark a comment about another encoding changes nothing.
        path.write_bytes(codecs.BOM_UTF8 + text.encode("utf-8", "replace"))
        return RequirementsFile.from_file(str(path), include_nested=False)


def _of_requirement(line: Any) -> RequirementLine:
    text = line.line
    hashes = tuple(line.hash_options)
    if line.link is None:
        if line.global_options or line.install_options:
            return _wrong(text, "pip's options for setup.py are not followed")
        # pip's code keeps the marker apart.
        requirement: Requirement = line.req
        requirement.marker = line.marker
        return _requirement(text, requirement, hashes)
    address = line.link.url
    base = _base_name(address)
    if not _is_remote(address) and base.lower().endswith(".whl") and not line.is_editable:
        return RequirementLine("", text, "wheel", base, hashes=hashes)
    if not line.name:
        why = "names no package: write it as NAME @ ADDRESS"
        return _wrong(text, why if _is_remote(address) else "installs a folder or file by its path")
    extras = f"[{','.join(sorted(line.extras))}]" if line.extras else ""
    address = re.sub(r"#(egg=[^&]*&?)?", "#", address).rstrip("#&")
    marker = f" ; {line.marker}" if line.marker else ""
    try:
        return _requirement(text, Requirement(f"{line.name}{extras} @ {address}{marker}"), hashes)
    except InvalidRequirement as error:
        return _wrong(text, str(error).splitlines()[0])


def _requirement(text: str, requirement: Requirement, hashes: Tuple[str, ...]) -> RequirementLine:
    name = str(canonicalize_name(requirement.name))
    return RequirementLine("", text, "requirement", str(requirement), name, hashes)


def _of_options(line: Any) -> Iterator[RequirementLine]:
    options: Dict[str, Any] = line.options
    for option, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            kind = _FOLLOWED.get(option, "option")
            if kind == "option":
                value_text = "" if one is True else f" {one}"
                one = shown(f"{OPT_BY_OPTIONS_DEST[option]}{value_text}")
            yield RequirementLine("", line.line, kind, one)


def _of_invalid(line: Any) -> RequirementLine:
    text: str = line.line
    words = text.split()
    # pip's code takes no wheel of an old version.
    if words and words[0].lower().endswith(".whl") and not _is_remote(words[0]):
        options = words[1:]
        if all(option.startswith("--hash=") for option in options):
            hashes = tuple(option.partition("=")[2] for option in options)
            return RequirementLine("", text, "wheel", _base_name(words[0]), hashes=hashes)
    old = _old_pin(text)
    if old is not None:
        return _requirement(text, old, ())
    return _wrong(text, str(line.error_message).splitlines()[0])


def _old_pin(text: str) -> Optional[Requirement]:
    match = _OLD_PIN.match(text)
    try:
        # Three equals signs take any version.
        return Requirement(f"{match[1]}==={match[2]}") if match else None
    except InvalidRequirement:
        return None


def _wrong(text: str, why: str) -> RequirementLine:
    return RequirementLine("", text, "wrong", shown(why))


def _is_remote(address: str) -> bool:
    return urlsplit(address).scheme not in ("", "file")


def _base_name(address: str) -> str:
    """The last part of a path or address, decoded: ``torch-1.13.1%2Bcpu-...`` has a plus."""
    path = re.sub(r"[?#].*", "", address).replace("\\", "/")
    return unquote(path.rstrip("/").rpartition("/")[2])
