"""ScoringPipeline: what a Driverless AI export says of itself, read without running any of it."""

import ast
import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from dai_spark.errors import NotAPipelineError, PipelineNotFoundError, shortened
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.zip_entry import zip_entry

__all__ = ["PipelineColumn", "ScoringPipeline"]

# Exports of 2017 to 2.x name it so; "suffixed" packages put more behind the id, so the import
# name is whatever stands before the version.
_SCORING_WHEEL = re.compile(r"^(scoring_(?!mli)\w+?)-(\d[^-]*)-[^/]*\.whl$")
_CORE_WHEEL = re.compile(r"h2oaicore-(\d+(?:\.\d+)+)[^-]*-cp(\d)(\d+)")


@dataclass(frozen=True)
class PipelineColumn:
    """One input column as the export's example declares it.

    Attributes
    ----------
    name : str
    dtype : str
        pandas' name of the type: ``"float32"`` for every number since DAI 1.7 (also for
        integers), ``"object"`` for text and dates.
    samples : tuple of (str or None)
        The example's values, as text; None where missing.
    """

    name: str
    dtype: str
    samples: Tuple[Optional[str], ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the pipeline wants numbers in this column."""
        return self.dtype != "object" and not self.dtype.startswith(("str", "datetime"))


class _Member(NamedTuple):
    size_bytes: int
    source: str


class ScoringPipeline:
    """An exported Python scoring pipeline: a zip, or the folder that it was unpacked to.

    Runs on the driver or in any process; reads names and small text files, never the gigabyte
    of dependency wheels, and executes nothing of the export.

    Parameters
    ----------
    path : str or Path
        ``scorer.zip`` as Driverless AI exports it (one top folder ``scoring-pipeline/``), a zip
        that was packed again (flat, or nested deeper), or an unpacked folder.

    Raises
    ------
    PipelineNotFoundError
        Nothing lies at `path`.
    NotAPipelineError
        A MOJO, a zip with no or several scoring wheels, or a damaged zip.

    Examples
    --------
    >>> ScoringPipeline("scorer.zip")                           # doctest: +SKIP
    ScoringPipeline('scorer.zip')
      experiment  4e86cfd8-ba96-11e9-b4c6-0242ac110002
      DAI         1.10.7.3 (Python 3.8)
      target      late: no, yes
      columns     12: month float32, carrier object, ...
      size        1.2 GB, of which 0.3 MB travel to the executors
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        self.path = Path(path).expanduser().absolute()
        if not self.path.exists():
            raise PipelineNotFoundError(
                f"No scoring pipeline lies at {self.path}; give the path of the scorer.zip that "
                "Driverless AI exports as 'Python Scoring Pipeline'."
            )
        every = self._scan()
        wheels = [name for name in every if _SCORING_WHEEL.match(name.rpartition("/")[2])]
        if len(wheels) != 1:
            raise NotAPipelineError(self._why_not(every, wheels))
        root, slash, self.wheel_name = wheels[0].rpartition("/")
        self._root = root + slash
        self._members = {
            name[len(self._root) :]: member
            for name, member in every.items()
            if name.startswith(self._root) and len(name) > len(self._root)
        }
        match = _SCORING_WHEEL.match(self.wheel_name)
        assert match is not None
        self.package = match.group(1)

    # -- the container -------------------------------------------------------------------------

    def _scan(self) -> Dict[str, _Member]:
        if self.path.is_dir():
            found = {}
            for folder, _, files in os.walk(self.path):
                for file in files:
                    full = Path(folder) / file
                    name = full.relative_to(self.path).as_posix()
                    found[name] = _Member(full.stat().st_size, str(full))
            return found
        try:
            with zipfile.ZipFile(self.path) as archive:
                return {
                    info.filename: _Member(info.file_size, info.filename)
                    for info in archive.infolist()
                    if not info.is_dir()
                }
        except zipfile.BadZipFile as error:
            raise NotAPipelineError(
                f"{self.path} is not a readable zip ({error}); export the pipeline again or copy "
                "it again in binary mode."
            ) from error

    def _why_not(self, every: Dict[str, _Member], wheels: List[str]) -> str:
        names = {name.rpartition("/")[2] for name in every}
        if "pipeline.mojo" in names:
            return (
                f"{self.path} is a MOJO pipeline, not a Python scoring pipeline; export the "
                "experiment with 'Download Python Scoring Pipeline', or score a MOJO with "
                "Sparkling Water."
            )
        if any(name.startswith("scoring_mli") for name in names):
            return (
                f"{self.path} is a k-LIME (MLI) pipeline; dai_spark scores the experiment's own "
                "'Python Scoring Pipeline', export that one."
            )
        if wheels:
            return (
                f"{self.path} holds {len(wheels)} scoring wheels ({', '.join(sorted(wheels))}) "
                "where an export has one; keep one export in a zip."
            )
        return (
            f"{self.path} holds no scoring wheel (scoring_h2oai_experiment_<id>-1.0.0-*.whl), so "
            "it is not a Python scoring pipeline as Driverless AI exports it."
        )

    @property
    def members(self) -> Tuple[str, ...]:
        """Names of the export's files, relative to the folder that holds the scoring wheel."""
        return tuple(sorted(self._members))

    def read(self, member: str) -> bytes:
        """Return the bytes of one file of the export, named as in `members`."""
        with self._open(member) as stream:
            return bytes(stream.read())

    def _open(self, member: str) -> Any:
        source = self._members[member].source
        if self.path.is_dir():
            return Path(source).open("rb")
        with zipfile.ZipFile(self.path) as archive:
            # The stream keeps the file open by itself.
            return archive.open(source)

    def extract_member(self, member: str, to: Path) -> Path:
        """Copy one file of the export into the folder `to`, under its base name."""
        target = to / member.rpartition("/")[2]
        with self._open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        return target

    # -- what it says of itself ----------------------------------------------------------------

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's id as Driverless AI shows it: a UUID with dashes, or an older word."""
        bare = self.package.replace("scoring_h2oai_experiment_", "").replace("scoring_", "", 1)
        return bare.replace("_", "-")

    @cached_property
    def _core(self) -> Tuple[Optional[str], Optional[str]]:
        found = " ".join(name for name in self._members if name.endswith(".whl"))
        match = _CORE_WHEEL.search(found)
        if match is None and "requirements.txt" in self._members:
            match = _CORE_WHEEL.search(self.read("requirements.txt").decode("utf-8", "replace"))
        if match is None:
            return None, None
        return match.group(1), f"{match.group(2)}.{match.group(3)}"

    @property
    def dai_version(self) -> Optional[str]:
        """Version of the exporting Driverless AI, from the core wheel; None without one."""
        return self._core[0]

    @property
    def dai_line(self) -> Optional[str]:
        """The first two numbers of `dai_version`: exports of one line share an environment."""
        return ".".join(self._core[0].split(".")[:2]) if self._core[0] else None

    @property
    def python(self) -> Optional[str]:
        """The Python that the export needs, as ``"3.8"``; None where no core wheel tells."""
        return self._core[1]

    @cached_property
    def _summary(self) -> Dict[str, Any]:
        for name in self._members:
            if re.match(r"h2oai_experiment_summary_.*\.zip$", name):
                with zipfile.ZipFile(io.BytesIO(self.read(name))) as archive:
                    for inner in archive.namelist():
                        if inner.rpartition("/")[2] == "summary.json":
                            return dict(json.loads(archive.read(inner).decode("utf-8")))
        return {}

    @property
    def target(self) -> Optional[str]:
        """Name of the target column, where the experiment summary tells it."""
        found = self._summary.get("target") or self._summary.get("target_column")
        return str(found) if found else None

    @property
    def labels(self) -> Optional[Tuple[str, ...]]:
        """The target's class labels, where the experiment summary tells them."""
        found = self._summary.get("labels") or self._summary.get("target_labels")
        return tuple(str(label) for label in found) if found else None

    @cached_property
    def columns(self) -> Tuple[PipelineColumn, ...]:
        """Input columns in the example's order; the scorer may use fewer, and says so itself."""
        if "example.py" in self._members:
            found = tuple(_example_columns(self.read("example.py").decode("utf-8", "replace")))
            if found:
                return found
        if "training_data_column_stats.json" in self._members:
            return tuple(self._statistics_columns())
        return ()

    def _statistics_columns(self) -> Iterator[PipelineColumn]:
        stats = json.loads(self.read("training_data_column_stats.json").decode("utf-8"))
        if isinstance(stats, str):  # exports exist that hold JSON inside a JSON string
            stats = json.loads(stats)
        for name, column in stats.items():
            if name == self.target:
                continue
            is_number = bool(column.get("stats", {}).get("is_numeric", False))
            samples = tuple(None if v is None else str(v) for v in column.get("data", []))
            yield PipelineColumn(name, "float32" if is_number else "object", samples)

    @cached_property
    def size_bytes(self) -> int:
        """Size of the zip, or of all files of the folder."""
        if self.path.is_dir():
            return sum(member.size_bytes for member in self._members.values())
        return self.path.stat().st_size

    # -- what travels --------------------------------------------------------------------------

    @cached_property
    def slim_path(self) -> Path:
        """A copy with only what a scorer needs: scoring wheel, metadata and ``tmp/``.

        An export is mostly dependency wheels, which the packed environment already holds.  Made
        once per content in the cache folder; equal exports give equal bytes, whatever their
        layout.  Named so that Spark leaves it alone (it unpacks .tar, .tgz and .tar.gz).
        """
        content = self._slim_bytes()
        digest = hashlib.sha256(content).hexdigest()
        path = private_folder(cache_folder() / "slim") / f"{digest}.pipeline"
        if not path.exists():
            aside = path.with_suffix(f".{os.getpid()}")
            aside.write_bytes(content)
            aside.replace(path)
        return path

    @property
    def digest(self) -> str:
        """SHA-256 of the slim copy: the identity of what scores."""
        return self.slim_path.stem

    def _slim_bytes(self) -> bytes:
        about = {
            "package": self.package,
            "wheel": self.wheel_name,
            "dai_version": self.dai_version,
            "columns": [[c.name, c.dtype, list(c.samples)] for c in self.columns],
        }
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:

            def add(name: str, content: bytes) -> None:
                archive.writestr(zip_entry(name, mode=0o600), content)

            add("pipeline.json", json.dumps(about, sort_keys=True).encode("utf-8"))
            add(self.wheel_name, self.read(self.wheel_name))
            for member in self.members:
                if member.startswith("tmp/"):
                    add(member, self.read(member))
        return sink.getvalue()

    def __repr__(self) -> str:
        shown = shortened([f"{column.name} {column.dtype}" for column in self.columns])
        version = self.dai_version or "version not told (no core wheel in the export)"
        python = f" (Python {self.python})" if self.python else ""
        target = self.target or "not told (no experiment summary in the export)"
        labels = f": {', '.join(self.labels)}" if self.labels else ""
        travels = self.slim_path.stat().st_size
        return "\n".join(
            [
                f"ScoringPipeline({str(self.path)!r})",
                f"  experiment  {self.experiment_id}",
                f"  DAI         {version}{python}",
                f"  target      {target}{labels}",
                f"  columns     {len(self.columns)}: {shown}",
                f"  size        {_megabytes(self.size_bytes)}, "
                f"of which {_megabytes(travels)} travel to the executors",
            ]
        )


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


def _example_columns(source: str) -> Iterator[PipelineColumn]:
    """Read ``pd.Series([...], name='x', dtype='float32')`` lines out of an export's example.py.

    The file is parsed and never run.  The last frame section (fit_transform_batch) repeats the
    columns with the target among them, so only the first mention of each name counts, and
    reading stops where that section begins.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    cut = source.find("fit_transform_batch(")
    last_line = source[:cut].count("\n") + 1 if cut >= 0 else source.count("\n") + 1
    seen = set()
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.lineno <= last_line]
    for call in sorted(calls, key=lambda c: (c.lineno, c.col_offset)):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "Series"):
            continue
        words = {k.arg: k.value for k in call.keywords}
        name, dtype = _text(words.get("name")), _text(words.get("dtype"))
        if name is None or dtype is None or name in seen:
            continue
        seen.add(name)
        yield PipelineColumn(name, dtype, _samples(call))


def _text(node: Optional[ast.AST]) -> Optional[str]:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _samples(call: ast.Call) -> Tuple[Optional[str], ...]:
    if not call.args or not isinstance(call.args[0], (ast.List, ast.Tuple)):
        return ()
    values: List[Optional[str]] = []
    for node in call.args[0].elts:
        value = node.value if isinstance(node, ast.Constant) else None
        missing = value is None or str(value) in ("nan", "None", "")
        values.append(None if missing else str(value))
    return tuple(values)
