"""Proves that a packed environment runs where nothing of the building machine is.

The archive is unpacked into a fresh folder, its Python imports what the manifest lists, and scores
the example rows of an export where one is given.  Where the system allows it, that folder and the C
library are all that this Python can see (`Sandbox`).  Elsewhere the list of files that it loaded is
examined afterwards.
"""

import csv
import json
import os
import pkgutil
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.license import License
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.check.sandbox import Sandbox
from dai_spark.envbuild.check.smoke_test import SmokeTest, run_smoke_test
from dai_spark.envbuild.prefix.shared_libraries import is_base, missing_libraries, newest_glibc
from dai_spark.errors import EnvironmentMismatchError
from dai_spark.registry.pipeline_place import export_at_hand

__all__ = ["CheckReport", "check_environment"]

# Smaller packages are not worth a note.
_LARGE_BYTES = 5_000_000
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
openblas = {"__name__": "openblas"}
exec(compile(sys.stdin.read(), "openblas.py", "exec"), openblas)
loaded = set()
for line in open("/proc/self/maps"):
    path = line.rstrip("\n").partition("/")
    if path[1]:
        loaded.add("/" + path[2])
print("\n" + json.dumps({
    "python": platform.python_version(), "prefix": sys.prefix, "path": sys.path,
    "imported": imported, "failed": failed, "loaded": sorted(loaded),
    "copies": openblas["copies"](), "mixed": openblas["mixed"](),
}))
"""


@dataclass(frozen=True)
class CheckReport:
    """The report of `check_environment`.

    Attributes
    ----------
    environment : PackedEnvironment
        The environment that was checked.
    alone : bool
        Whether it ran in a sandbox that holds nothing else but the C library.
    python : str
        Version that its Python reports; empty where it did not start.
    imported : dict of str to str
        Modules that were imported, and their versions.
    problems : tuple of str
        Reasons not to use it, one sentence each; empty when it is sound.
    notes : tuple of str
        Sentences worth knowing; none is a reason against it.
    glibc : str or None
        Oldest GNU C library on which all of it loads.
    package_bytes : dict of str to int
        Unpacked size by package, largest first.
    unpack_s : float
        Seconds that unpacking took here; 0 for a folder.
    trial : SmokeTest or None
        The export's example, scored; None without an export, or where scoring failed.
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
    trial: Optional[SmokeTest] = None

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def text(self) -> str:
        """Return the report as lines for a terminal.

        Returns
        -------
        str
        """
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
            *([f"  scored   {self.trial.text()}"] if self.trial else []),
            "  sizes",
            *(
                f"    {n_bytes / 1e6:8.1f} MB  {name}"
                for name, n_bytes in self.package_bytes.items()
                if n_bytes >= 100_000
            ),
            *(f"  note     {note}" for note in (*self.notes, *self._unused())),
            *(f"  PROBLEM  {problem}" for problem in self.problems),
            "  sound" if self.ok else f"  {len(self.problems)} problems",
        ]
        return "\n".join(lines)

    def _unused(self) -> List[str]:
        sizes = self.package_bytes
        found = [name for name in (self.trial.unused if self.trial else ()) if name in sizes]
        large = sorted((n for n in found if sizes[n] >= _LARGE_BYTES), key=lambda n: -sizes[n])
        if not large:
            return []
        told = ", ".join(f"{name} ({sizes[name] / 1e6:,.0f} MB)" for name in large)
        return [
            f"the example loaded nothing of {told}; where no pipeline of yours wants it, "
            "`env build --exclude NAME` builds without"
        ]


def check_environment(
    archive: Union[str, Path],
    pipeline: Optional[Union[str, Path, ScoringPipeline]] = None,
    *,
    license: Optional[License] = None,
    on_message: Callable[[str], None] = lambda _: None,
) -> CheckReport:
    """Unpack an environment into a temporary folder, run its Python, and report what was found.

    Runs on any Linux machine of the environment's kind; it starts child processes and ends each
    after 300 s.

    Parameters
    ----------
    archive : str or Path
        Archive, or unpacked folder.
    pipeline : str, Path or ScoringPipeline, optional
        Export that the environment is meant for: both are compared, and its own example is scored.
    license : License, optional
        The licence that the pipeline needs.
    on_message : callable, optional
        Gets a sentence at each step.

    Returns
    -------
    CheckReport

    Raises
    ------
    PackedEnvironmentError
        The archive cannot be read or unpacked.
    EnvironmentMismatchError
        This machine cannot run it.
    """
    environment = PackedEnvironment(archive)
    environment.check_machine()
    if pipeline is not None and not isinstance(pipeline, ScoringPipeline):
        pipeline = ScoringPipeline(export_at_hand(pipeline, on_message))
    problems, notes = _compare(environment, pipeline)
    with tempfile.TemporaryDirectory(prefix="dai_spark-check-") as folder:
        root = Path(os.path.realpath(folder))
        home = root / "environment"
        begun = time.monotonic()
        if environment.is_folder:
            shutil.copytree(environment.path, home, symlinks=True)
        else:
            extract_archive(environment.path, home, on_message)
        unpack_s = 0.0 if environment.is_folder else time.monotonic() - begun
        on_message("importing its packages")
        sandbox = Sandbox(root)
        said, trouble = _import_packages(sandbox, environment)
        problems += trouble
        trial = None
        if pipeline is not None and said:
            on_message("scoring the export's own example")
            trial, why = run_smoke_test(sandbox, root, environment.interpreter, pipeline, license)
            problems += [why] if why else []
        notes += _openblas(said, trial, sandbox.path("environment"))
        sandbox.close()
        package_bytes = _sizes(home)
        notes += [
            f"{library}, which {path} needs, is not in it"
            for library, path in missing_libraries(home).items()
        ]
        return CheckReport(
            environment=environment,
            alone=sandbox.alone,
            python=said.get("python", ""),
            imported=said.get("imported", {}),
            problems=tuple(problems),
            notes=tuple(notes),
            glibc=newest_glibc(home),
            package_bytes=package_bytes,
            unpack_s=unpack_s,
            trial=trial,
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


def _import_packages(
    sandbox: Sandbox, environment: PackedEnvironment
) -> Tuple[Dict[str, Any], List[str]]:
    """Start the unpacked Python; return what it said, and problems."""
    modules = [m for p, m in _MODULES.items() if p in environment.manifest.packages]
    python = sandbox.path(f"environment/{environment.interpreter}")
    openblas = pkgutil.get_data("dai_spark.sidecar.pipeline", "openblas.py") or b""
    answer = sandbox.run(
        [python, "-I", "-B", "-c", _PROBE, *_STDLIB, *modules], text=openblas.decode("utf-8")
    )
    try:
        said: Dict[str, Any] = json.loads(answer.stdout.strip().rpartition("\n")[2])
    except ValueError:
        return {}, [
            f"its Python ended with code {answer.returncode} and said: "
            f"{(answer.stderr.strip() or answer.stdout.strip())[-2000:]}"
        ]  # fmt: skip
    problems = [
        f"importing {name} failed: {trace.strip().rpartition(chr(10))[2]}"
        for name, trace in said["failed"].items()
    ]
    inside = sandbox.path("environment")
    for path in said["loaded"] + said["path"]:
        library = ".so" in path and not is_base(path.rpartition("/")[2])
        if not path.startswith(inside) and (library or path in said["path"]):
            problems.append(f"it used {path}, which is not in the archive")
    if said["python"] != environment.manifest.python:
        problems.append(
            f"its Python is {said['python']}, its manifest says {environment.manifest.python}"
        )
    return said, problems


def _openblas(said: Dict[str, Any], trial: Optional[SmokeTest], home: str) -> List[str]:
    """Note that copies of OpenBLAS are mixed, or just that there are several."""
    told = (trial.openblas if trial is not None else None) or said.get("mixed")
    copies = (
        [f"{version} in {path.replace(home + '/', '')}" for path, version in said["copies"]]
        if said
        else []
    )
    if told is None and len(copies) > 1:
        told = (
            f"{len(copies)} copies of OpenBLAS are loaded ({', '.join(copies)}), each seen only by "
            "the package that brings it"
        )
    return [told] if told else []


def _sizes(home: Path) -> Dict[str, int]:
    """Measure each package by the files of its RECORD; the rest is Python's."""
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
