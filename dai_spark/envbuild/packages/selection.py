"""Which packages are left out of an environment, and what the user says instead.

An export also lists what training, web pages and GPUs need.  The table below names those packages
and the reasons.  A package that another one needs is installed all the same.
"""

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dai_spark.envbuild.lists.plain_text import decoded, shown
from dai_spark.envbuild.lists.requirement_file import RequirementLine, read_lines
from dai_spark.errors import EnvironmentBuildError, OptionError

__all__ = ["AS_LISTED", "LEFT_OUT", "Choice", "select_packages"]

_GPU = "runs on NVIDIA's GPUs, and scoring here runs on CPUs"
_PICTURES = "draws pictures for Driverless AI's pages"
_TRAINING = "serves training, never scoring"
# By canonical name; a name that ends in * matches every name that begins so.
LEFT_OUT = {
    "h2o4gpu": _GPU,
    "cupy": _GPU,
    "cupy-cuda*": _GPU,
    "nvidia-*": _GPU,
    "plotly": _PICTURES,
    "bokeh": _PICTURES,
    "panel": _PICTURES,
    "h2o": "is the client of an H2O-3 server",
    "tensorboard": "shows the course of a training",
    "cmake": "compiles, which wheels have behind them",
    "botocore": "reads training data from S3",
    "babel": "translates Driverless AI's pages",
    "pyorc": "reads ORC files, has to be compiled, and is taken where the export brings its wheel",
    "jupyter": _TRAINING,
    "notebook": _TRAINING,
}
# uv never installs a requirement whose marker does not hold, even where another package needs it.
_NEVER = "; python_version < '0'"


class Choice(NamedTuple):
    """The user's choice of packages; it wins over an export or a lock.

    Attributes
    ----------
    exclude : tuple of str
        Names that are not installed, even where another package asks for them.
    add : tuple of str
        Further requirements, ``"importlib-resources==5.12.0"``; each replaces a listed one.
    keep : tuple of str
        Names that are installed although `LEFT_OUT` has them.
    constraints : tuple of str
        Paths of files of pins, which win over the export's.
    """

    exclude: Tuple[str, ...] = ()
    add: Tuple[str, ...] = ()
    keep: Tuple[str, ...] = ()
    constraints: Tuple[str, ...] = ()

    def pins(self) -> Dict[str, str]:
        """Read the constraint files.

        Returns
        -------
        dict of str to str
            Canonical name to pin.

        Raises
        ------
        EnvironmentBuildError
            A file is not there, or holds a line that is no requirement.
        """
        found: Dict[str, str] = {}
        for line in self._constraint_lines():
            if line.kind == "requirement":
                found[line.name] = line.target
            elif line.kind != "option":
                why = f" ({line.target})" if line.kind == "wrong" else ""
                raise EnvironmentBuildError(
                    f"{_sentence(line.where)} has {line.text!r}, which is no pin{why}; write it as "
                    "name==version."
                )
        return found

    def not_followed(self) -> List[str]:
        """Tell what the constraint files say beside pins.

        Returns
        -------
        list of str
            A sentence for each of pip's options in them.

        Raises
        ------
        EnvironmentBuildError
            A file is not there.
        """
        return [
            f"{line.target} ({line.where}) is not followed: uv's settings and --find-links say "
            "where packages come from"
            for line in self._constraint_lines()
            if line.kind == "option"
        ]

    def _constraint_lines(self) -> List[RequirementLine]:
        lines: List[RequirementLine] = []
        for path in self.constraints:
            try:
                content = Path(path).expanduser().read_bytes()
            except OSError as error:
                raise EnvironmentBuildError(
                    f"The constraints {path} cannot be read ({error.strerror}); give the path of a "
                    "file with a pin a line."
                ) from error
            lines += read_lines(decoded(content), path)
        return lines

    def given(self) -> Set[str]:
        """Collect the packages that the user gives a requirement for.

        Returns
        -------
        set of str
            Canonical names.

        Raises
        ------
        EnvironmentBuildError
            A constraint file or an addition cannot be read.
        """
        return set(self.pins()) | {_package_of_line(line, "--add") for line in self.add}

    def does_without(self, name: str) -> bool:
        """Whether what an export lists of a package is not installed.

        Parameters
        ----------
        name : str
            Canonical name.

        Returns
        -------
        bool
            True where the user excludes or replaces it, or where it is left out by default.

        Raises
        ------
        EnvironmentBuildError
            An addition cannot be read.
        """
        kept = {canonicalize_name(one) for one in self.keep}
        gone = {str(canonicalize_name(one)) for one in self.exclude}
        gone |= {_package_of_line(line, "--add") for line in self.add}
        return name in gone or (_left_out(name) is not None and name not in kept)

    def named(self) -> Set[str]:
        """Collect every package that the user has named.

        Returns
        -------
        set of str
            Canonical names.

        Raises
        ------
        EnvironmentBuildError
            A constraint file or an addition cannot be read.
        """
        names = {str(canonicalize_name(name)) for name in (*self.exclude, *self.keep)}
        return names | self.given()


AS_LISTED = Choice()


def select_packages(
    lines: Dict[str, str], overrides: Dict[str, str], choice: Choice, notes: List[str]
) -> None:
    """Apply `LEFT_OUT`, then the user's choice, to requirements.  Changes them in place.

    Parameters
    ----------
    lines, overrides : dict of str to str
        Requirements by canonical name, and pins that win over what packages declare of each other.
    choice : Choice
        What the user says.
    notes : list of str
        Gets a sentence for each package that is left out, replaced or added.

    Raises
    ------
    EnvironmentBuildError
        A constraint file or an addition cannot be read.
    OptionError
        A name to exclude or to keep is not among the requirements.
    """
    kept = {canonicalize_name(name) for name in choice.keep}
    excluded = {canonicalize_name(name) for name in choice.exclude}
    absent = sorted((kept | excluded) - set(lines) - set(overrides))
    if absent:
        raise OptionError(
            f"{', '.join(absent)} cannot be kept or excluded: it is not among the requirements "
            f"({', '.join(sorted(lines)) or 'there are none'})."
        )
    for name in sorted(lines):
        why = _left_out(name)
        if name in excluded:
            notes.append(f"{name}: left out, as you say")
        elif why is not None and name not in kept:
            notes.append(f"{name}: left out, since it {why}; --keep {name} installs it")
        else:
            continue
        del lines[name]
        overrides.pop(name, None)
    overrides.update({name: f"{name}{_NEVER}" for name in excluded})
    notes += choice.not_followed()
    for name, line in choice.pins().items():
        overrides[name] = line
        if name in lines and lines[name] != line:
            notes.append(f"{name}: {line} instead of {shown(lines[name])}, as your constraints say")
            lines[name] = line
    for line in choice.add:
        name = _package_of_line(line, "--add")
        instead = f"instead of {shown(lines[name])}" if name in lines else "added"
        notes.append(f"{name}: {shown(line)} {instead}")
        lines[name] = overrides[name] = line


def _left_out(name: str) -> Optional[str]:
    for pattern, why in LEFT_OUT.items():
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return why
    return None


def _package_of_line(line: str, where: str) -> str:
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement as error:
        raise EnvironmentBuildError(
            f"{where} has {shown(line)!r}, which is no requirement "
            f"({str(error).splitlines()[0]}); write it as name==version."
        ) from error


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
