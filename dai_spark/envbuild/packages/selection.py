"""Which packages are left out of an environment, and what the user says instead.

An export also lists what training, web pages and GPUs need.  The table below names those packages
and the reasons.  A package that another one needs is installed all the same.
"""

import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dai_spark.errors import EnvironmentBuildError, OptionError

__all__ = ["AS_LISTED", "LEFT_OUT", "Choice", "requirement_lines", "select_packages"]

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
        for path in self.constraints:
            try:
                text = Path(path).expanduser().read_text(encoding="utf-8")
            except OSError as error:
                raise EnvironmentBuildError(
                    f"The constraints {path} cannot be read ({error.strerror}); give the path of a "
                    "file with a pin a line."
                ) from error
            for line in requirement_lines(text):
                found[_package_of_line(line, path)] = line
        return found

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
        return names | set(self.pins()) | {_package_of_line(line, "--add") for line in self.add}


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
    for name, line in choice.pins().items():
        overrides[name] = line
        if name in lines and lines[name] != line:
            notes.append(f"{name}: {line} instead of {lines[name]}, as your constraints say")
            lines[name] = line
    for line in choice.add:
        name = _package_of_line(line, "--add")
        notes.append(f"{name}: {line} {'instead of ' + lines[name] if name in lines else 'added'}")
        lines[name] = overrides[name] = line


def requirement_lines(text: str) -> List[str]:
    """Split a requirements file; comments, options and empty lines are dropped.

    Parameters
    ----------
    text : str
        The file's text.

    Returns
    -------
    list of str
        Its requirements.
    """
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("-")]


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
            f"{where} has {line!r}, which is no requirement ({str(error).splitlines()[0]}); write "
            "it as name==version."
        ) from error
