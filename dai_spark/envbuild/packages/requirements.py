"""Which packages an environment gets: the set that a build installs, and that of a DAI line."""

import pkgutil
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from packaging.requirements import Requirement

from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.lists.requirement_file import read_lines
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice, select_packages
from dai_spark.errors import EnvironmentBuildError

__all__ = ["PYTHON_BY_DAI_LINE", "RequirementSet", "exact_pin", "from_line"]

# https://docs.h2o.ai: 3.6 up to DAI 1.9, 3.8 in 1.10, 3.11 since 1.11.
PYTHON_BY_DAI_LINE = {"1.8": "3.6", "1.9": "3.6", "1.10": "3.8", "1.11": "3.11"}
# A note that begins so is about one package.
_PACKAGE_NOTE = re.compile(r"^[a-z0-9][a-z0-9-]*: ")


class RequirementSet(NamedTuple):
    """The requirements of one environment.

    Attributes
    ----------
    python : str
        Minor version of its Python, ``"3.8"``.
    dai_line : str or None
        Line of Driverless AI, ``"1.10"``.
    core_version : str or None
        Version of h2oaicore; None where it is not installed.
    lines : tuple of str
        Requirements from the package index, each package once.
    wheels : tuple of str
        Members of the export that are installed from it.
    overrides : tuple of str
        Pins that overrule what packages declare of each other.
    source : str
        Where the requirements were read, for the manifest.
    notes : tuple of str
        Sentences on what was resolved, replaced or left out; one about a package begins with its
        name, ``"numpy: ..."``.
    hashes : tuple of (str, tuple of str)
        A line, and the digests that its file must have one of, ``"sha256:..."``; for those lines
        that have some.
    """

    python: str
    dai_line: Optional[str]
    core_version: Optional[str]
    lines: Tuple[str, ...]
    wheels: Tuple[str, ...]
    overrides: Tuple[str, ...]
    source: str
    notes: Tuple[str, ...]
    hashes: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()

    def hashed_lines(self) -> List[str]:
        """List the requirements as pip and uv compare the digests of their files.

        Returns
        -------
        list of str
            `lines`, with ``--hash=`` behind those that have some.
        """
        hashes = dict(self.hashes)
        return [
            " ".join([line, *(f"--hash={one}" for one in hashes.get(line, ()))])
            for line in self.lines
        ]

    def table(self) -> List[str]:
        """Show the decisions as a table, a row for each package, and then all requirements.

        Returns
        -------
        list of str
            Lines for a terminal; passwords in addresses are left out.
        """
        # Sorted by name alone: the decisions on one package stay in their order.
        rows = sorted(
            (note.split(": ", 1) for note in self.notes if _PACKAGE_NOTE.match(note)),
            key=lambda row: row[0],
        )
        width = max((len(row[0]) for row in rows), default=0)
        # An address may hold a password.
        wanted = [shown(line) for line in self.lines]
        wheels = [wheel.rpartition("/")[2] for wheel in self.wheels]
        return [
            *(note for note in self.notes if not _PACKAGE_NOTE.match(note)),
            *([f"of {self.source}, package by package:"] if rows else []),
            *(f"  {name:<{width}}  {why}" for name, why in rows),
            f"wanted for Python {self.python}: {', '.join([*wanted, *wheels]) or 'nothing'}",
        ]


def from_line(line: str, choice: Choice = AS_LISTED) -> RequirementSet:
    """Read the lock of a Driverless AI line.

    Parameters
    ----------
    line : str
        The line, ``"1.10"``.
    choice : Choice, optional
        What the user says of packages.

    Returns
    -------
    RequirementSet

    Raises
    ------
    EnvironmentBuildError
        There is no lock for that line, or the choice cannot be read.
    OptionError
        The choice names a package that is not in the lock.
    """
    if line not in PYTHON_BY_DAI_LINE:
        raise EnvironmentBuildError(
            f"dai_spark has no lock for Driverless AI {line!r}, only for "
            f"{', '.join(PYTHON_BY_DAI_LINE)}; build from an export: "
            "`dai-spark env build --reference scorer.zip -o env.tar.gz`."
        )
    content = pkgutil.get_data("dai_spark.envbuild", f"specs/dai-{line}.lock") or b""
    listed = read_lines(content.decode("utf-8"), f"dai-{line}.lock")
    lines = {one.name: one.target for one in listed}
    overrides: Dict[str, str] = {}
    notes: List[str] = []
    select_packages(lines, overrides, choice, notes)
    return RequirementSet(
        python=PYTHON_BY_DAI_LINE[line],
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


def exact_pin(requirement: Requirement) -> Optional[str]:
    """Read the version that a requirement pins with ``==`` or ``===``.

    Parameters
    ----------
    requirement : packaging.requirements.Requirement
        The requirement.

    Returns
    -------
    str or None
        The version; None where it allows several, or names an address.
    """
    match = re.match(r"^===?([^=*,]+)$", str(requirement.specifier))
    return match[1] if match and requirement.url is None else None
