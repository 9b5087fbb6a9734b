"""Prunes an installed prefix: removes what scoring does not need and what names this machine."""

import csv
import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from dai_spark.errors import EnvironmentBuildError

__all__ = ["compile_sources", "installed_packages", "prune_packages"]

# Tests of these are only imported by themselves; together a sixth of the environment.  Packages
# not named here keep theirs: some do import from a folder of that name.
_PACKAGES_WITH_TESTS = ("numpy", "pandas", "scipy", "sklearn", "pyarrow", "joblib", "statsmodels")
# Paths and times of the building machine, and whether a wheel was built there; uv writes the
# second and third.
_BUILD_RECORDS = ("direct_url.json", "uv_cache.json", "uv_build.json")
# Finds the Python beside the script, wherever both lie (sh runs line 2, Python reads a string).
_SCRIPT_HEAD = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/{python}" "$0" "$@"
' '''
"""


def _records(root: Path) -> List[Path]:
    return sorted(root.rglob("*.dist-info"))


def installed_packages(root: Path) -> Dict[str, str]:
    """Read which packages are installed.

    Parameters
    ----------
    root : Path
        The prefix.

    Returns
    -------
    dict of str to str
        Name to version, sorted by name.
    """
    found: Dict[str, str] = {}
    for record in _records(root):
        for line in (record / "METADATA").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(": ")
            if key == "Name":
                name = value
            elif key == "Version":
                found[name] = value
            elif not line:
                break
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def prune_packages(root: Path, python: str, home: Optional[str] = None) -> None:
    """Drop tests and build records; make scripts and records independent of where they lie.

    Parameters
    ----------
    root : Path
        The prefix.
    python : str
        Name of its executable, ``"python3.8"``.
    home : str, optional
        Prefix that its files name, where that is not `root`.
    """
    for record in _records(root):
        for name in _BUILD_RECORDS:
            (record / name).unlink(missing_ok=True)
    for site in {record.parent for record in _records(root)}:
        for package in _PACKAGES_WITH_TESTS:
            for tests in sorted((site / package).rglob("tests")):
                shutil.rmtree(tests, ignore_errors=True)
    changed = _relocate_scripts(root, python, home or str(root))
    for record in _records(root):
        _rewrite_record(record, changed)


def _relocate_scripts(root: Path, python: str, prefix: str) -> List[Path]:
    changed: List[Path] = []
    home = os.fsencode(prefix)
    for script in sorted((root / "bin").iterdir()):
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        head = content.split(b"\n", 3)
        if not content.startswith(b"#!") or home not in b"".join(head[:3]):
            continue
        # uv writes the three-line form itself where a path is too long for the kernel.
        body = head[3] if head[0] == b"#!/bin/sh" else content.split(b"\n", 1)[1]
        script.write_bytes(_SCRIPT_HEAD.format(python=python).encode() + body)
        changed.append(script)
    return changed


def _rewrite_record(record: Path, changed: List[Path]) -> None:
    """Leave in RECORD what is still there, without the sums of what was changed."""
    listing = record / "RECORD"
    if not listing.exists():
        return
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    with listing.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream):
            path = Path(os.path.normpath(record.parent / row[0]))
            if path.exists():
                edited = path in changed or ".so" in path.name
                writer.writerow([row[0], "", ""] if edited else row)
    listing.write_text(sink.getvalue(), encoding="utf-8")


def compile_sources(root: Path, python: Path) -> None:
    """Compile all sources below `root`, so that no host has to before its first score.

    The files hold no time and are never compared with their source (`unchecked-hash`): they stay
    valid whatever program unpacks them, and the same source gives the same bytes.  Python 3.6 has
    no such form and compiles at first use.

    Parameters
    ----------
    root : Path
        The prefix.
    python : Path
        Its executable, which compiles.

    Raises
    ------
    EnvironmentBuildError
        It did not end within 15 minutes.
    """
    # Programs of this build may have left bytecode.  A compiler that takes modules of its own from
    # there, and not from their sources, writes other bytes.
    for folder in list((root / "lib").rglob("__pycache__")):
        shutil.rmtree(folder)
    if python.name == "python3.6":
        return
    # Not -I: it would ignore PYTHONHASHSEED, by which the order of a set in the bytes goes.
    # One process: the bytes of a file depend on what was compiled before it in the same process,
    # and workers take files as they come.
    command = [str(python), "-s", "-B", "-m", "compileall", "-q", "-f", "-j", "1"]
    # -d: tracebacks and bytes name the path inside the archive, not that of this build.
    command += ["--invalidation-mode", "unchecked-hash", "-d", "lib", str(root / "lib")]
    try:
        # Some sources are for other Pythons (lib2to3's, templates) and do not compile.
        subprocess.run(
            command,
            env={"PATH": os.defpath, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
            cwd=root,
            capture_output=True,
            timeout=900,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentBuildError(
            "Compiling the environment did not end within 900 s."
        ) from error
