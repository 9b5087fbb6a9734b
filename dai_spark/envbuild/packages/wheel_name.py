"""The file names of wheels, old ones and percent-encoded ones among them."""

import re
from typing import NamedTuple, Tuple
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.errors import EnvironmentBuildError

__all__ = ["WheelName", "package_name", "version_for_uv"]

# Name, version, perhaps a build, interpreters, ABIs, platforms.
_FEWEST_PARTS = 5


class WheelName(NamedTuple):
    """The parts of a wheel's file name.

    Attributes
    ----------
    package : str
        Canonical name of its package.
    version : str
        As it is written; old ones follow no rule.
    build : str
        Build tag, ``"1"``; mostly empty.
    interpreters, abis, platforms : tuple of str
        What it is for: ``("cp38",)``, ``("cp38",)``, ``("linux_x86_64",)``.
    """

    package: str
    version: str
    build: str
    interpreters: Tuple[str, ...]
    abis: Tuple[str, ...]
    platforms: Tuple[str, ...]

    @classmethod
    def of(cls, wheel: str) -> "WheelName":
        """Read a file name.

        Parameters
        ----------
        wheel : str
            The name, with or without a folder; ``%2B`` in it is a plus.

        Returns
        -------
        WheelName

        Raises
        ------
        EnvironmentBuildError
            It is no wheel's name.
        """
        base = unquote(wheel.rpartition("/")[2])
        parts = base[: -len(".whl")].split("-")
        is_named = base.lower().endswith(".whl") and all(parts) and "/" not in base
        if not is_named or len(parts) < _FEWEST_PARTS:
            raise EnvironmentBuildError(
                f"{shown(wheel)} is not named as a wheel is (NAME-VERSION-PYTHON-ABI-PLATFORM.whl);"
                " give it the name that it was made with, in a copy of the export."
            )
        name, *middle = parts[:-3]
        has_build = len(middle) > 1 and middle[-1][0].isdigit()
        build = middle.pop() if has_build else ""
        tags = (tuple(part.lower().split(".")) for part in parts[-3:])
        return cls(str(canonicalize_name(name)), "-".join(middle).lower(), build, *tags)

    def fits(self, python: str) -> bool:
        """Whether it is for a Python, on Linux and x86-64.

        Parameters
        ----------
        python : str
            Minor version, ``"3.8"``.

        Returns
        -------
        bool
        """
        mine = f"cp{python.replace('.', '')}"
        is_ours = mine in self.interpreters or not self.interpreters[0].startswith("cp")
        return (is_ours or "abi3" in self.abis) and self.runs_on_linux()

    def runs_on_linux(self) -> bool:
        """Whether it is for Linux on x86-64.

        Returns
        -------
        bool
        """
        return any(one == "any" or one.endswith("x86_64") for one in self.platforms)


def package_name(wheel: str) -> str:
    """Tell which package a wheel holds.

    Parameters
    ----------
    wheel : str
        The wheel's name, with or without a folder.

    Returns
    -------
    str
        Canonical name of the package.
    """
    return str(canonicalize_name(unquote(wheel.rpartition("/")[2]).partition("-")[0]))


def version_for_uv(version: str) -> str:
    """Write a version as uv and today's pip take it.

    Parameters
    ----------
    version : str
        Of any form, ``"0.8.0.dai-1.73"``.

    Returns
    -------
    str
        The same where it follows PEP 440; else its leading numbers, and the rest as a local part:
        ``"0.8.0+dai.1.73"``.
    """
    try:
        Version(version)
    except InvalidVersion:
        numbers = re.match(r"\d+(\.\d+)*", version)
        release = numbers[0] if numbers else "0"
        rest = version[numbers.end() if numbers else 0 :]
        return f"{release}+{'.'.join(re.findall(r'[a-z0-9]+', rest.lower())) or 'old'}"
    return version
