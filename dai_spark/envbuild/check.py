"""Proves that a packed environment runs where nothing of the building machine is.

The archive is unpacked into a fresh folder, and its Python imports what the manifest lists.
Where the system allows it (root, or user namespaces), that folder and the C library are all
that this Python can see: a library or module taken from elsewhere cannot be found.  Otherwise
what it loaded is looked through afterwards.
"""

import csv
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from dai_spark.envbuild.libraries import (
    is_base,
    missing_libraries,
    newest_glibc,
    system_libraries,
)
from dai_spark.environment import PackedEnvironment
from dai_spark.errors import EnvironmentMismatchError
from dai_spark.extract import extract_archive
from dai_spark.pipeline import ScoringPipeline

__all__ = ["CheckReport", "check_environment"]

_LIMIT_S = 300
_STDLIB = ("bz2", "ctypes", "hashlib", "lzma", "multiprocessing", "sqlite3", "ssl", "zlib")
# Package to the module that is imported.  Not h2oaicore: importing it can ask for a licence.
_MODULES = {
    "numpy": "numpy",
    "scipy": "scipy.stats",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "scikit-learn": "sklearn.ensemble",
    "datatable": "datatable",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "xgboost-cpu": "xgboost",
    "psutil": "psutil",
}

# Runs in the environment, hence in the oldest Python that one can have.
_PROBE = r"""
import importlib, json, platform, sys, traceback
imported, failed = {}, {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
        top = sys.modules[name.partition(".")[0]]
        imported[name] = str(getattr(top, "__version__", ""))
    except BaseException:
        failed[name] = traceback.format_exc()
loaded = set()
for line in open("/proc/self/maps"):
    path = line.rstrip("\n").partition("/")
    if path[1]:
        loaded.add("/" + path[2])
print("\n" + json.dumps({
    "python": platform.python_version(), "prefix": sys.prefix, "path": sys.path,
    "imported": imported, "failed": failed, "loaded": sorted(loaded),
}))
"""

# $1 the folder that becomes the root, the rest is the command.  The mounts exist only in the
# namespace that unshare made, and are gone with it.
_CONFINE = """
root=$1
shift
mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" && exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class CheckReport:
    """What `check_environment` found.

    Attributes
    ----------
    environment : PackedEnvironment
    alone : bool
        Whether it ran with nothing but the C library in sight.
    python : str
        Version that its Python told; empty where it did not start.
    imported : dict of str to str
        Modules that were imported, and their versions.
    problems : tuple of str
        What stands against using it, one sentence each; empty when it is sound.
    notes : tuple of str
        What is worth knowing and no fault.
    glibc : str or None
        Oldest GNU C library on which all of it loads.
    package_bytes : dict of str to int
        Unpacked size by package, largest first.
    unpack_s : float
        Seconds that unpacking took here; 0 for a folder.
    """

    environment: PackedEnvironment
    alone: bool
    python: str
    imported: Dict[str, str]
    problems: Tuple[str, ...]
    notes: Tuple[str, ...]
    glibc: Optional[str]
    package_bytes: Dict[str, int]
    unpack_s: float

    @property
    def ok(self) -> bool:
        """Whether nothing stands against using it."""
        return not self.problems

    def text(self) -> str:
        """Return the report as lines for a terminal."""
        manifest = self.environment.manifest
        ran = "with nothing but the C library in sight" if self.alone else (
            "among this machine's files, none of which it loaded"
        )  # fmt: skip
        lines = [
            repr(self.environment),
            f"  built    {manifest.how}",
            f"  ran      Python {self.python or 'did not start'}, {ran}",
            f"  needs    glibc {self.glibc or 'none'}",
            f"  unpacked in {self.unpack_s:.1f} s here",
            f"  imported {', '.join(f'{n} {v}'.strip() for n, v in self.imported.items())}",
            "  sizes",
            *(
                f"    {n_bytes / 1e6:8.1f} MB  {name}"
                for name, n_bytes in self.package_bytes.items()
                if n_bytes >= 100_000
            ),
            *(f"  note     {note}" for note in self.notes),
            *(f"  PROBLEM  {problem}" for problem in self.problems),
            "  sound" if self.ok else f"  {len(self.problems)} problems",
        ]
        return "\n".join(lines)


def check_environment(
    archive: Union[str, Path],
    pipeline: Optional[Union[str, Path, ScoringPipeline]] = None,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> CheckReport:
    """Unpack an environment aside, run its Python, and say what was found.

    Runs on any Linux machine of the environment's kind; a child process is started, and ended
    after 300 s.

    Parameters
    ----------
    archive : str or Path
        Archive, or unpacked folder.
    pipeline : str, Path or ScoringPipeline, optional
        Export that the environment is meant for; both are compared.

    Returns
    -------
    CheckReport

    Raises
    ------
    EnvironmentFault
        The archive cannot be read or unpacked.
    EnvironmentMismatchError
        This machine cannot run it.
    """
    environment = PackedEnvironment(archive)
    environment.check_machine()
    if pipeline is not None and not isinstance(pipeline, ScoringPipeline):
        pipeline = ScoringPipeline(pipeline)
    problems, notes = _compare(environment, pipeline)
    with tempfile.TemporaryDirectory(prefix="dai_spark-check-") as folder:
        root = Path(os.path.realpath(folder))
        home = root / "environment"
        begun = time.monotonic()
        if environment.is_folder:
            shutil.copytree(environment.path, home, symlinks=True)
        else:
            extract_archive(environment.path, home, say)
        unpack_s = 0.0 if environment.is_folder else time.monotonic() - begun
        say("importing its packages")
        said, alone, trouble = _run(root, home, environment)
        problems += trouble
        notes += [
            f"{library}, which {path} needs, is not in it"
            for library, path in missing_libraries(home).items()
        ]
        return CheckReport(
            environment=environment,
            alone=alone,
            python=said.get("python", ""),
            imported=said.get("imported", {}),
            problems=tuple(problems),
            notes=tuple(notes),
            glibc=newest_glibc(home),
            package_bytes=_sizes(home),
            unpack_s=unpack_s,
        )


def _compare(
    environment: PackedEnvironment, pipeline: Optional[ScoringPipeline]
) -> Tuple[List[str], List[str]]:
    problems, notes = [], []
    if pipeline is not None:
        try:
            environment.check_fits(pipeline)
        except EnvironmentMismatchError as error:
            problems.append(error.message)
    if environment.core_version is None:
        notes.append(
            "h2oaicore is not in it (it exists only inside an export): it serves stand-ins and "
            "pipelines without h2oaicore"
        )
    return problems, notes


def _run(
    root: Path, home: Path, environment: PackedEnvironment
) -> Tuple[Dict[str, Any], bool, List[str]]:
    """Start the unpacked Python; returns what it said, whether it was alone, and problems."""
    modules = [m for p, m in _MODULES.items() if p in environment.manifest.packages]
    probe = ["-I", "-B", "-c", _PROBE, *_STDLIB, *modules]
    alone = _furnish(root) and _can_confine(root)
    if alone:
        python = f"/environment/{environment.interpreter}"
        answer = _start([*_confined(root), python, *probe])
        # Before the folder is removed: were anything still mounted here, these would fail.
        (root / "proc").rmdir()
        (root / "dev").rmdir()
    else:
        answer = _start([str(home / environment.interpreter), *probe])
    try:
        said: Dict[str, Any] = json.loads(answer.stdout.strip().rpartition("\n")[2])
    except ValueError:
        return {}, alone, [
            f"its Python ended with code {answer.returncode} and said: "
            f"{(answer.stderr.strip() or answer.stdout.strip())[-2000:]}"
        ]  # fmt: skip
    problems = [
        f"importing {name} failed: {trace.strip().rpartition(chr(10))[2]}"
        for name, trace in said["failed"].items()
    ]
    inside = "/environment" if alone else str(home)
    for path in said["loaded"] + said["path"]:
        library = ".so" in path and not is_base(path.rpartition("/")[2])
        if not path.startswith(inside) and (library or path in said["path"]):
            problems.append(f"it used {path}, which is not in the archive")
    if said["python"] != environment.manifest.python:
        problems.append(
            f"its Python is {said['python']}, its manifest says {environment.manifest.python}"
        )
    return said, alone, problems


def _start(command: List[str]) -> "subprocess.CompletedProcess[str]":
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    clean = {"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
    clean.update((name, "1") for name in threads)
    try:
        return subprocess.run(
            command, env=clean, cwd="/", capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"no end within {_LIMIT_S} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, -1, "", str(error))


def _furnish(root: Path) -> bool:
    """Put the C library's own files, and nothing else, beside the environment."""
    try:
        provided = system_libraries()
    except (OSError, subprocess.SubprocessError):
        return False
    for library, path in provided.items():
        if is_base(library):
            # The kernel looks for the loader where the executable says, which is /lib64 here.
            places = {path, Path("/lib64") / library} if library.startswith("ld-") else {path}
            for place in places:
                target = root / place.relative_to("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                target.chmod(0o755)
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir()
    return True


def _confined(root: Path) -> List[str]:
    namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
    return ["unshare", *namespace, "--", "sh", "-c", _CONFINE, "sh", str(root)]


def _can_confine(root: Path) -> bool:
    # Its message tells whether the loader was reached, which needs no program in the root.
    answer = _start([*_confined(root), "/lib64/ld-linux-x86-64.so.2", "--version"])
    return answer.returncode == 0


def _sizes(home: Path) -> Dict[str, int]:
    """Unpacked size by package, from what each one's RECORD lists; the rest is Python's."""
    found: Dict[str, int] = {}
    for record in home.rglob("*.dist-info/RECORD"):
        name = record.parent.name.rpartition("-")[0] or record.parent.name
        total = 0
        with record.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                path = record.parent.parent / row[0]
                total += path.stat().st_size if path.is_file() else 0
                total += _compiled_bytes(path)
        found[name.partition("-")[0]] = total
    every = sum(
        (Path(parent) / name).lstat().st_size
        for parent, _, names in os.walk(home)
        for name in names
    )
    found["Python and libraries"] = every - sum(found.values())
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _compiled_bytes(source: Path) -> int:
    if source.suffix != ".py":
        return 0
    folder = source.parent / "__pycache__"
    return sum(path.stat().st_size for path in folder.glob(f"{source.stem}.*.pyc"))
