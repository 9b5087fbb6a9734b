"""ScoringPipeline: what a Driverless AI export says of itself, read without running any of it."""

import io
import json
import os
import re
import shutil
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from dai_spark.artifacts.pipeline_columns import (
    PipelineColumn,
    example_columns,
    statistics_columns,
)
from dai_spark.artifacts.slim_copy import slim_copy
from dai_spark.errors import NotAPipelineError, PipelineNotFoundError, shortened

__all__ = ["ScoringPipeline"]

# Exports of 2017 to 2.x name it so; "suffixed" packages put more behind the id, so the import
# name is whatever stands before the version.
_SCORING_WHEEL = re.compile(r"^(scoring_(?!mli)\w+?)-(\d[^-]*)-[^/]*\.whl$")
_CORE_WHEEL = re.compile(r"h2oaicore-(\d+(?:\.\d+)+)[^-]*-cp(\d)(\d+)")


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
            found = example_columns(self.read("example.py").decode("utf-8", "replace"))
            if found:
                return found
        if "training_data_column_stats.json" in self._members:
            statistics = self.read("training_data_column_stats.json").decode("utf-8")
            return statistics_columns(statistics, self.target)
        return ()

    @cached_property
    def size_bytes(self) -> int:
        """Size of the zip, or of all files of the folder."""
        if self.path.is_dir():
            return sum(member.size_bytes for member in self._members.values())
        return self.path.stat().st_size

    # -- what travels --------------------------------------------------------------------------

    @cached_property
    def slim_path(self) -> Path:
        """The copy that travels to the executors: scoring wheel, metadata and ``tmp/``."""
        about = {
            "package": self.package,
            "wheel": self.wheel_name,
            "dai_version": self.dai_version,
            "columns": [[c.name, c.dtype, list(c.samples)] for c in self.columns],
        }
        temporary = [member for member in self.members if member.startswith("tmp/")]
        return slim_copy(about, [self.wheel_name, *temporary], self.read)

    @property
    def digest(self) -> str:
        """SHA-256 of the slim copy: the identity of what scores."""
        return self.slim_path.stem

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
