"""Finds a Python of the wanted minor version on the building machine."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

from dai_spark.envbuild.packages.uv import find_uv
from dai_spark.errors import EnvironmentBuildError

__all__ = ["Interpreter", "describe", "find_interpreter"]

# Asked of the interpreter itself, isolated from the caller's PYTHON* variables and user site.
_QUESTION = """
import json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
    "platstdlib": sysconfig.get_path("platstdlib"),
    "library": sysconfig.get_config_var("INSTSONAME") or "",
    "library_folder": sysconfig.get_config_var("LIBDIR") or "",
    "include": sysconfig.get_config_var("INCLUDEPY") or "",
    "bits": sys.maxsize.bit_length() + 1,
    "implementation": platform.python_implementation(),
}))
"""


class Interpreter(NamedTuple):
    """A CPython of this machine, as it describes itself.

    Attributes
    ----------
    executable : Path
        The real executable, not that of a virtual environment.
    version : str
        ``"3.8.18"``.
    prefix : Path
        Its base prefix.
    stdlib : tuple of Path
        Folders of the standard library (two where lib64 is apart).
    library : Path or None
        libpython where the interpreter is a shared build.
    include : Path or None
        Its C headers.
    """

    executable: Path
    version: str
    prefix: Path
    stdlib: List[Path]
    library: Optional[Path]
    include: Optional[Path]

    @property
    def minor(self) -> str:
        """Minor version, ``"3.8"``."""
        return ".".join(self.version.split(".")[:2])


def describe(executable: Path) -> Optional[Interpreter]:
    """Ask a Python what it is; for a virtual environment, the Python that it was made of.

    Parameters
    ----------
    executable : Path
        The Python to ask.

    Returns
    -------
    Interpreter or None
        None where it cannot be started or is not a 64-bit CPython.
    """
    said = _ask(executable)
    if said is None:
        return None
    minor = ".".join(said["version"].split(".")[:2])
    real = Path(said["prefix"]) / "bin" / f"python{minor}"
    if real != executable:
        # A virtual environment gives folders of its own for parts of the standard library.
        said = _ask(real)
    if said is None or said["bits"] != 64 or said["implementation"] != "CPython":
        return None
    prefix = Path(said["prefix"])
    library = Path(said["library_folder"]) / said["library"]
    include = Path(said["include"])
    if ".so" not in said["library"] or not library.exists():
        library = prefix / "lib" / f"libpython{minor}.so.1.0"
    return Interpreter(
        executable=real,
        version=said["version"],
        prefix=prefix,
        stdlib=sorted({Path(said["stdlib"]), Path(said["platstdlib"])}),
        library=library if library.exists() else None,
        include=include if include.is_dir() else None,
    )


def _ask(executable: Path) -> Optional[Dict[str, Any]]:
    try:
        answer = subprocess.run(
            [str(executable), "-I", "-B", "-c", _QUESTION],
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return dict(json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def find_interpreter(
    minor: str, *, given: Optional[str] = None, on_message: Callable[[str], None]
) -> Interpreter:
    """Find a Python of a minor version such as ``"3.8"``.

    Looked for, in this order: uv's own Pythons (they run on the oldest machines), pyenv's, those
    on PATH and in the usual folders; at last uv is asked to download one.

    Parameters
    ----------
    minor : str
        The version that is looked for.
    given : str, optional
        Path of the interpreter to take instead.
    on_message : callable
        Gets a sentence when uv is asked to download one.

    Returns
    -------
    Interpreter

    Raises
    ------
    EnvironmentBuildError
        None was found, or the given one is of another version.
    """
    if given is not None:
        found = describe(Path(given).expanduser())
        if found is None:
            raise EnvironmentBuildError(
                f"{given} is not a Python that can be packed: it does not start, or is not a "
                "64-bit CPython with its standard library."
            )
        if found.minor != minor:
            raise EnvironmentBuildError(
                f"{given} is Python {found.version}, but Python {minor} is wanted; "
                f"give a Python {minor} with --python, or leave the option out."
            )
        return found
    for candidate in _candidates(minor):
        found = describe(candidate)
        if found is not None and found.minor == minor:
            return found
    on_message(f"no Python {minor} on this machine, asking uv to download one")
    trouble = _download(minor)
    for candidate in _uv_pythons(minor):
        found = describe(candidate)
        if found is not None:
            return found
    raise EnvironmentBuildError(
        f"No Python {minor} was found on this machine (looked at uv's, pyenv's, PATH and /usr), "
        f"and uv could not download one. Install it with `uv python install {minor}` or "
        f"`pyenv install {minor}`, or name one with --python /path/to/python{minor}.",
        details=trouble,
    )


def _candidates(minor: str) -> Iterator[Path]:
    yield from _uv_pythons(minor)
    # Not through pyenv's shims: they fail unless that version is the one selected.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    versions = [
        folder
        for folder in (pyenv.iterdir() if pyenv.is_dir() else ())
        if re.fullmatch(re.escape(minor) + r"\.\d+", folder.name)
    ]
    for folder in sorted(versions, key=lambda f: int(f.name.split(".")[2]), reverse=True):
        yield folder / "bin" / f"python{minor}"
    for where in (os.environ.get("PATH", os.defpath), "/usr/local/bin:/usr/bin"):
        on_path = shutil.which(f"python{minor}", path=where)
        if on_path:
            yield Path(on_path)


def _uv_pythons(minor: str) -> Iterator[Path]:
    command = ["python", "find", "--managed-python", "--no-project", "--no-python-downloads"]
    try:
        answer = subprocess.run(
            [find_uv(), *command, minor], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.SubprocessError:
        return
    if answer.returncode == 0:
        yield Path(answer.stdout.strip())


def _download(minor: str) -> str:
    try:
        answer = subprocess.run(
            [find_uv(), "python", "install", "--no-progress", minor],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "uv python install: no end within 300 s"
    return answer.stderr
