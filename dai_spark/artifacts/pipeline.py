"""ScoringPipeline: what a Driverless AI export says of itself, read without running any of it."""

import os
import re
import shutil
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import List, Optional, Tuple, Union

from dai_spark.artifacts.export.example import example_columns
from dai_spark.artifacts.export.experiment_summary import Summary, read_summary
from dai_spark.artifacts.export.export_files import below
from dai_spark.artifacts.export.open_export import open_export, path_of
from dai_spark.artifacts.export.scoring_wheel import find_wheel, is_read, package_of, wheel_fault
from dai_spark.artifacts.export.statistics import statistics_columns
from dai_spark.artifacts.export.temporary import temporary_files
from dai_spark.artifacts.pipeline_columns import UNKNOWN, PipelineColumn
from dai_spark.artifacts.slim_copy import slim_copy
from dai_spark.errors import NotAPipelineError, UnreadableFileError, shortened

__all__ = ["ScoringPipeline"]

_CORE_WHEEL = re.compile(r"h2oaicore-(\d+(?:\.\d+)+)[^-]*-cp(\d)(\d+)")
_EXAMPLE = "example.py"
_STATISTICS = "training_data_column_stats.json"
_REQUIREMENTS = "requirements.txt"
_SUMMARY = re.compile(r"h2oai_experiment_summary_.*\.zip$")
# Far more than they have: an example has some 200 bytes for a column, and its tree 100 times that.
_MOST_EXAMPLE_BYTES = 16 << 20
_MOST_BYTES = 256 << 20


class ScoringPipeline:
    """An exported Python scoring pipeline: a zip, or the folder that it was unpacked to.

    Runs on the driver or in any process; reads names and small text files, never the gigabyte
    of dependency wheels, and executes nothing of the export.

    Parameters
    ----------
    path : str or Path
        ``scorer.zip`` as Driverless AI exports it (one top folder ``scoring-pipeline/``), a zip
        or a tar that it was packed into again (flat, or nested deeper; a tar may be compressed),
        or an unpacked folder.

    Raises
    ------
    PipelineNotFoundError
        Nothing lies at `path`.
    NotAPipelineError
        A MOJO, an archive with no or several scoring wheels, or one that is damaged or encrypted.

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
        self.path = path_of(path)
        self._notes: List[str] = []
        self._files = open_export(self.path, is_read)
        self._root, self.wheel_name = find_wheel(self._files)
        self._sizes_bytes = below(self._root, self._files.sizes_bytes)
        self.package = package_of(self.wheel_name)

    @property
    def members(self) -> Tuple[str, ...]:
        """Names of the export's files, relative to the folder that holds the scoring wheel."""
        return tuple(sorted(self._sizes_bytes))

    def read(self, member: str) -> bytes:
        """Return the bytes of one file of the export, named as in `members`."""
        return self._files.read(self._root + member)

    def extract_member(self, member: str, to: Path) -> Path:
        """Copy one file of the export into the folder `to`, under its base name."""
        target = to / member.rpartition("/")[2]
        with self._files.open(self._root + member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        return target

    def _told(self, member: str, most_bytes: int = _MOST_BYTES) -> Optional[bytes]:
        """A file that an export can do without; None where it is not there or cannot be read."""
        if member not in self._sizes_bytes and self._root + member not in self._files.refused:
            return None
        try:
            return self._files.read(self._root + member, most_bytes)
        except UnreadableFileError as error:
            self._note(error.message)
            return None

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    # -- what it says of itself ----------------------------------------------------------------

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's id as Driverless AI shows it: a UUID with dashes, or an older word."""
        bare = self.package.replace("scoring_h2oai_experiment_", "").replace("scoring_", "", 1)
        return bare.replace("_", "-")

    @cached_property
    def _core(self) -> Tuple[Optional[str], Optional[str]]:
        found = " ".join(name for name in self._sizes_bytes if name.endswith(".whl"))
        match = _CORE_WHEEL.search(found)
        if match is None:
            lines = self._told(_REQUIREMENTS)
            match = _CORE_WHEEL.search((lines or b"").decode("utf-8", "replace"))
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
    def _summary(self) -> Summary:
        for name in sorted(self._sizes_bytes):
            content = self._told(name) if _SUMMARY.match(name) else None
            if content is not None:
                try:
                    return read_summary(content)
                except ValueError as error:
                    self._note(
                        f"The experiment summary {name} of {self.path} cannot be read ({error}), "
                        "so target and labels are not told."
                    )
        return Summary()

    @property
    def target(self) -> Optional[str]:
        """Name of the target column, where the experiment summary tells it."""
        return self._summary.target

    @property
    def labels(self) -> Optional[Tuple[str, ...]]:
        """The target's class labels, where the experiment summary tells them."""
        return self._summary.labels

    @cached_property
    def columns(self) -> Tuple[PipelineColumn, ...]:
        """Input columns in the example's order; the scorer may use fewer, and says so itself.

        Of ``example.py``, its frame before the table in its comments; what it does not tell, of
        ``training_data_column_stats.json``.  Types that neither tells are ``"unknown"``.
        """
        content = self._told(_EXAMPLE, _MOST_EXAMPLE_BYTES)
        columns: Tuple[PipelineColumn, ...] = ()
        trouble: Optional[str] = "is not there, or cannot be read"
        if content is not None:
            columns, trouble = example_columns(content)
        statistics = self._statistics()
        if trouble is not None:
            told = "the types of its columns are not known"
            if columns or statistics:
                other = "the table in its comments" if columns else _STATISTICS
                told = f"the types of its columns are taken from {other}"
            self._note(f"The {_EXAMPLE} of {self.path} {trouble}; {told}.")
        if not columns:
            return statistics
        known = {column.name: column for column in statistics}
        return tuple(_completed(column, known.get(column.name)) for column in columns)

    def _statistics(self) -> Tuple[PipelineColumn, ...]:
        content = self._told(_STATISTICS)
        if content is None:
            return ()
        try:
            return statistics_columns(content, self.target)
        except ValueError as error:
            self._note(f"The {_STATISTICS} of {self.path} cannot be read ({error}).")
            return ()

    @property
    def notes(self) -> Tuple[str, ...]:
        """What of the export cannot be read or is not as Driverless AI writes it, a sentence each.

        It scores all the same; what it does not say of itself is unknown.
        """
        # They come up as each part is read.
        for name in ("_core", "_summary", "columns"):
            getattr(self, name)
        return tuple(self._notes)

    @cached_property
    def size_bytes(self) -> int:
        """Size of the zip, or of all files of the folder."""
        if self.path.is_dir():
            return sum(self._sizes_bytes.values())
        return self.path.stat().st_size

    # -- what travels --------------------------------------------------------------------------

    @cached_property
    def slim_path(self) -> Path:
        """The copy that travels to the executors: scoring wheel, metadata and ``tmp/``."""
        about = {
            "package": self.package,
            "wheel": self.wheel_name,
            "dai_version": self.dai_version,
            # The sidecar makes a row of the samples; what has no type is text there, as it stands.
            "columns": [
                [c.name, c.dtype if c.is_known else "object", list(c.samples)] for c in self.columns
            ],
        }
        fault = wheel_fault(self.read(self.wheel_name))
        if fault is not None:
            raise NotAPipelineError(f"The scoring wheel {self.wheel_name} of {self.path} {fault}.")
        return slim_copy(
            about, [self.wheel_name, *temporary_files(self._files, self._root)], self.read
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the slim copy: the identity of what scores."""
        return self.slim_path.stem

    def __repr__(self) -> str:
        shown = shortened([f"{column.name} {column.dtype}" for column in self.columns])
        version = self.dai_version or "version not told (no core wheel in the export)"
        python = f" (Python {self.python})" if self.python else ""
        target = self.target or "not told (no readable experiment summary in the export)"
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
                *[f"  note        {note}" for note in self.notes],
            ]
        )


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


def _completed(column: PipelineColumn, other: Optional[PipelineColumn]) -> PipelineColumn:
    """What one source does not tell of a column, from another."""
    if not column.is_known:
        told = other.dtype if other is not None and other.is_known else UNKNOWN
        column = replace(column, dtype=told)
    if not column.samples and other is not None:
        column = replace(column, samples=other.samples)
    if column.limits is None and other is not None:
        column = replace(column, limits=other.limits)
    return column
