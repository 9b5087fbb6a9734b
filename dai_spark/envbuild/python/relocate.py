"""Makes an interpreter found on this machine relocatable: copied, its libraries bundled."""

import re
import shutil
from pathlib import Path
from typing import Callable, List, Set

from dai_spark.envbuild.python.interpreter import Interpreter

__all__ = ["copy_interpreter", "ignored_names", "relocate_build_record"]

# Parts of the standard library that scoring never touches.  nis and tkinter would drag in
# Kerberos and X11.
_IGNORED = {
    "site-packages", "dist-packages", "__pycache__", "test", "tests", "idlelib", "idle_test",
    "tkinter", "turtledemo", "turtle.py", "ensurepip", "sitecustomize.py",
    "EXTERNALLY-MANAGED",
}  # fmt: skip
_IGNORED_PATTERN = re.compile(r"^(config-\d.*|_tkinter\..*\.so|nis\..*\.so|.*\.a|_test.*\.so)$")
_PREFIX_MARK = "@DAI_SPARK_PREFIX@"
# Appended to the interpreter's own record of its build, in place of the paths of the machine it
# was built on.
_RELOCATE = f"""
import sys as _sys
build_time_vars = {{
    name: value.replace({_PREFIX_MARK!r}, _sys.base_prefix) if isinstance(value, str) else value
    for name, value in build_time_vars.items()
}}
"""


def copy_interpreter(source: Interpreter, to: Path, on_message: Callable[[str], None]) -> Path:
    """Copy an interpreter with its standard library and nothing that is installed in it.

    Parameters
    ----------
    source : Interpreter
        The interpreter to copy.
    to : Path
        The new prefix.
    on_message : callable
        Gets a sentence.

    Returns
    -------
    Path
        The copied executable, ``to/bin/python3.8``; it does not start before
        `bundle_libraries` where it is a shared build.
    """
    on_message(f"copying Python {source.version}")
    python = to / "bin" / f"python{source.minor}"
    python.parent.mkdir(parents=True)
    shutil.copy2(source.executable, python)
    for name in ("python3", "python"):
        (python.parent / name).symlink_to(python.name)
    for folder in source.stdlib:
        shutil.copytree(
            folder,
            to / folder.relative_to(source.prefix),
            ignore=ignored_names,
            ignore_dangling_symlinks=True,
            dirs_exist_ok=True,
        )
    if source.library is not None:
        (to / "lib").mkdir(exist_ok=True)
        shutil.copy2(source.library, to / "lib" / source.library.name)
        # Modules compiled for Python 3.7 and older are linked against it by this name.
        link = to / "lib" / f"{source.library.name.partition('.so')[0]}.so"
        if link.name != source.library.name:
            link.symlink_to(source.library.name)
    if source.include is not None:
        # uv compiles an export's source packages against them.
        shutil.copytree(source.include, to / "include" / source.include.name, dirs_exist_ok=True)
    if str(source.prefix) != "/usr":
        relocate_build_record(to, str(source.prefix))
    return python


def relocate_build_record(root: Path, prefix: str) -> None:
    """Make Python's record of its own build name the prefix that it runs in.

    Parameters
    ----------
    root : Path
        Where the Python lies.
    prefix : str
        The prefix that the record names now.
    """
    for record in root.rglob("_sysconfigdata*.py"):
        text = record.read_text(encoding="utf-8").replace(prefix, _PREFIX_MARK)
        record.write_text(text + _RELOCATE, encoding="utf-8")


def ignored_names(folder: str, names: List[str]) -> Set[str]:
    """Find what scoring never touches in a folder of the standard library.

    Parameters
    ----------
    folder : str
        The folder; not looked at, but `shutil.copytree` passes it to its `ignore`.
    names : list of str
        Names in that folder.

    Returns
    -------
    set of str
        The names to leave out.
    """
    return {name for name in names if name in _IGNORED or _IGNORED_PATTERN.match(name)}
