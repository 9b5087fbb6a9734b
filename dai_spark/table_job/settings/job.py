"""TableJob: everything that a user may say of one job, checked as far as words alone can be."""

import dataclasses
import difflib
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from dai_spark.errors import OptionError
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.ranges import number, seconds, whole_number

__all__ = ["INCREMENTAL", "LAYOUTS", "MODES", "TableJob"]

# Spark makes a task of each, and rows that are verified come to the driver.
_MOST_FILES = 1_000_000
_MOST_VERIFIED = 1_000_000
MODES = {
    "fail": "the target must not exist",
    "append": "add to the target; creates it if need be",
    "overwrite": "replace the target's rows, at once where its format can; creates it if need be",
    "overwrite-partitions": "replace only those partitions of the target that were scored",
    "merge": "by --key: update rows whose scores changed, insert new ones, leave the others",
}
INCREMENTAL = {
    "missing": "rows whose --key the target lacks, or holds from another pipeline",
    "since": "rows whose --since column is above what earlier runs have seen",
    "changes": "what the source's own change log tells: inserts, updates and deletions",
    "stream": "what arrived since the --checkpoint, by structured streaming",
}
LAYOUTS = ("struct", "flat")

# Settings that change how a run works, and not which rows it writes: one that is given later must
# not make a second run of what was done.
_NO_EFFECT_ON_ROWS = frozenset(
    {
        "license_file",
        "job_name",
        "target",
        "partition_by",
        "target_format",
        "target_options",
        "n_files",
        "max_file_rows",
        "evolve_schema",
        "max_bad_rows",
        "fail_on_drift",
        "checkpoint",
        "since_mark",
        "quarantine",
        "run_id",
        "dry_run",
        "verify",
        "contract",
        "openlineage",
        "report",
        "on_overlap",
        "overlap_timeout_s",
        "work_folder",
        "keep_running",
        "source_version",
        "source_timestamp",
    }
)


@dataclass(frozen=True)
class TableJob:
    """One job of scoring a table into a table.

    Plain data of the driver; every field is an argument of `score_table`, a flag of
    ``jobs/score_table.py`` and a key of its ``--config``.

    Parameters
    ----------
    pipeline, env : str
        The export and the packed environment: a local path, or a URI that Spark reads.  An empty
        `env` stands for the environment that the session's settings or the driver's host name.
    source, target : str
        A catalog table (``lake.db.table``) or ``FORMAT:PATH``.
    license_file : str, optional
        Path or URI of the licence.
    source_options, target_options : mapping of str to str
        Handed to Spark's reader and writer.
    where : str, optional
        SQL condition on the source's rows.
    source_version, source_timestamp : str, optional
        Time travel, where the source's format knows it.
    columns : mapping of str to str
        SQL expression on the source for each pipeline column that the source names otherwise.
    mode : {"fail", "append", "overwrite", "overwrite-partitions", "merge"}, default "fail"
    key : sequence of str, optional
        Columns that tell rows apart: checked to be unique and not null, kept, and merged by.
    keep : sequence of str, optional
        Source columns to carry through, in this order; by default all.
    partition_by : sequence of str, optional
        Partition columns of a target that is created, or that the target has.
    target_format : str, optional
        Format of a catalog table that is created; by default the catalog's own.
    n_files : int, optional
        Write so many files (a partition), with a shuffle after scoring.
    max_file_rows : int, optional
        Most rows of a file.
    prediction : str, default "prediction"
        Name of the struct column.
    prediction_layout : {"struct", "flat"}, default "struct"
        Flat: a column for each output of the pipeline, under its own name.
    lineage : bool, default True
        Add the struct column ``scoring``: pipeline, environment, run, time, version.
    evolve_schema : bool, default False
        Allow new output columns to be added to a target that exists.
    job_name : str, optional
        By default the target's name.  Tells jobs into one target apart.
    run_id : str, optional
        A second run of the same id does nothing twice.  By default made from the job, pipeline,
        environment and the source's version.
    on_overlap : {"wait", "refuse"}, default "wait"
        What a run does while another of its job is at work.
    overlap_timeout_s : float, default 3600
    work_folder : str, optional
        URI for staged rows, locks and the last run's figures.  By default beside the target.
    incremental : {"missing", "since", "changes", "stream"}, optional
    since : str, optional
        Column of ``incremental="since"``; only ever growing, never null.
    since_mark : str, optional
        Largest value of `since` that is done, where no run of the job tells it.
    checkpoint : str, optional
        URI of ``incremental="stream"``.
    keep_running : bool, default False
        Do not end the stream when nothing is left.
    quarantine : str, optional
        Table of bad rows: the columns kept and read, the reason, the run.
    max_bad_rows : str, optional
        ``"N"`` or ``"P%"``: with more, the job fails and the target stays as it was.
    dry_run : bool, default False
        Check everything, score ten rows, write nothing.
    verify : int, default 0
        Score so many random rows of what was written again, one by one, and compare bits.
    fail_on_drift : float, optional
        Highest population stability index of a prediction against the last run's.
    contract : str, optional
        Path or URI of a TOML file with what the run must be like to be committed.
    openlineage : bool, default False
        Tell a data catalogue of the run, by events of the standard OpenLineage.
    report : sequence of str
        Paths or URIs of the report: ``.json`` and ``.html``.
    options : ScoringOptions

    Raises
    ------
    OptionError
        A value that cannot be meant, or two that exclude each other.
    """

    pipeline: str
    source: str
    target: str
    env: str = ""
    license_file: Optional[str] = None
    source_options: Mapping[str, str] = field(default_factory=dict)
    target_options: Mapping[str, str] = field(default_factory=dict)
    where: Optional[str] = None
    source_version: Optional[str] = None
    source_timestamp: Optional[str] = None
    columns: Mapping[str, str] = field(default_factory=dict)
    mode: str = "fail"
    key: Tuple[str, ...] = ()
    keep: Optional[Tuple[str, ...]] = None
    partition_by: Tuple[str, ...] = ()
    target_format: Optional[str] = None
    n_files: Optional[int] = None
    max_file_rows: Optional[int] = None
    prediction: str = "prediction"
    prediction_layout: str = "struct"
    lineage: bool = True
    evolve_schema: bool = False
    job_name: str = ""
    run_id: Optional[str] = None
    on_overlap: str = "wait"
    overlap_timeout_s: float = 3600.0
    work_folder: Optional[str] = None
    incremental: Optional[str] = None
    since: Optional[str] = None
    since_mark: Optional[str] = None
    checkpoint: Optional[str] = None
    keep_running: bool = False
    quarantine: Optional[str] = None
    max_bad_rows: Optional[str] = None
    dry_run: bool = False
    verify: int = 0
    fail_on_drift: Optional[float] = None
    contract: Optional[str] = None
    openlineage: bool = False
    report: Tuple[str, ...] = ()
    options: ScoringOptions = field(default_factory=ScoringOptions)

    def __post_init__(self) -> None:
        for name in ("key", "partition_by", "report"):
            object.__setattr__(self, name, _names(getattr(self, name)))
        if self.keep is not None:
            object.__setattr__(self, "keep", _names(self.keep))
        if not self.job_name:
            object.__setattr__(self, "job_name", f"score {self.target}")
        self._check_choices()
        self._check_pairs()

    def _check_choices(self) -> None:
        for name, allowed in (
            ("mode", tuple(MODES)),
            ("prediction_layout", LAYOUTS),
            ("on_overlap", ("wait", "refuse")),
            ("incremental", (None, *INCREMENTAL)),
        ):
            value = getattr(self, name)
            if value not in allowed:
                words = ", ".join(str(word) for word in allowed if word is not None)
                raise OptionError(f"{name}={value!r} is none of {words}.")
        for name, least, most in (
            ("n_files", 1, _MOST_FILES),
            ("max_file_rows", 1, 2**63 - 1),
            ("verify", 0, _MOST_VERIFIED),
        ):
            value = getattr(self, name)
            if value is not None or name == "verify":
                object.__setattr__(self, name, whole_number(name, value, least, most))
        object.__setattr__(
            self, "overlap_timeout_s", seconds("overlap_timeout_s", self.overlap_timeout_s)
        )
        if self.fail_on_drift is not None:
            drift = number("fail_on_drift", self.fail_on_drift, 0, 1e6)
            object.__setattr__(self, "fail_on_drift", drift)
        if self.max_bad_rows is not None:
            # Python's callers may give a number.
            object.__setattr__(self, "max_bad_rows", str(self.max_bad_rows))
            self.bad_rows_allowed(0)

    def _check_pairs(self) -> None:
        for has, name, needs, other in (
            (self.mode == "merge", "mode merge", self.key, "--key"),
            (self.incremental == "missing", "incremental missing", self.key, "--key"),
            (self.incremental == "changes", "incremental changes", self.key, "--key"),
            (self.incremental == "since", "incremental since", self.since, "--since COLUMN"),
            (self.incremental == "stream", "incremental stream", self.checkpoint, "--checkpoint"),
            (self.since, "--since", self.incremental == "since", "--incremental since"),
            (self.since_mark, "--since-mark", self.since, "--incremental since"),
            (self.checkpoint, "--checkpoint", self.incremental == "stream", "--incremental stream"),
            (self.keep_running, "--stream", self.incremental == "stream", "--incremental stream"),
            (self.max_bad_rows, "--max-bad-rows", self.quarantine, "--quarantine"),
            (
                self.options.group_by,
                "--group-by",
                not self.quarantine,
                "no --quarantine: rows are set aside one by one, and a group is scored whole",
            ),
            (
                self.options.group_by,
                "--group-by",
                not self.verify,
                "no --verify, which scores row by row",
            ),
            (self.verify, "--verify", self.key, "--key, to find a row's input by"),
        ):
            if has and not needs:
                raise OptionError(f"{name} wants {other}.")
        if self.source_version and self.source_timestamp:
            raise OptionError("--source-version and --source-timestamp are both given; give one.")
        if self.incremental and self.mode not in ("append", "merge"):
            raise OptionError(
                f"--incremental {self.incremental} adds to a target, so it wants --mode append or "
                f"--mode merge, not {self.mode}."
            )
        if self.incremental in ("changes",) and self.mode != "merge":
            raise OptionError("--incremental changes updates and deletes; it wants --mode merge.")
        if self.keep is not None:
            lost = [name for name in (*self.key, *self.partition_by) if name not in self.keep]
            if lost:
                raise OptionError(
                    f"--keep leaves out {', '.join(lost)} of --key or --partition-by."
                )

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> "TableJob":
        """Make a job of keywords: its own, and those of `ScoringOptions`.

        Parameters
        ----------
        words : mapping of str to object

        Raises
        ------
        OptionError
            Also for a keyword that is neither; the message names the nearest one that is.
        """
        own = {f.name for f in dataclasses.fields(cls)}
        scoring = {f.name for f in dataclasses.fields(ScoringOptions)}
        for name in words:
            if name not in own | scoring:
                near = difflib.get_close_matches(name, own | scoring, 1)
                hint = f"; did you mean {near[0]}?" if near else "."
                raise OptionError(f"There is no option {name}{hint}")
        options = ScoringOptions.resolve(
            words.get("options"), {k: v for k, v in words.items() if k in scoring}
        )
        mine = {k: v for k, v in words.items() if k in own and k != "options"}
        missing = [name for name in ("pipeline", "source", "target") if not mine.get(name)]
        if missing:
            raise OptionError(f"The job lacks {', '.join(missing)}.")
        return cls(**mine, options=options)

    @property
    def has_default_name(self) -> bool:
        """Whether the job has its name from the target."""
        return self.job_name == f"score {self.target}"

    @property
    def is_looked_at_first(self) -> bool:
        """Whether all rows are staged and their figures looked at before any is committed."""
        return self.fail_on_drift is not None or self.contract is not None

    def bad_rows_allowed(self, n_rows: int) -> int:
        """Most bad rows among `n_rows`; all of them where there is a quarantine and no limit.

        Parameters
        ----------
        n_rows : int
            Rows that were scored, bad ones too.
        """
        if self.max_bad_rows is None:
            return n_rows if self.quarantine else 0
        text = self.max_bad_rows.strip()
        match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(%?)", text)
        if match is None or (not match.group(2) and "." in match.group(1)):
            raise OptionError(
                f"max_bad_rows={self.max_bad_rows!r} is neither a number of rows nor a percentage, "
                "such as 100 or 0.5%."
            )
        if match.group(2):
            return int(float(match.group(1)) * n_rows / 100)
        return int(match.group(1))

    def digest(self, source_identity: str) -> str:
        """SHA-256 of the settings that decide which rows a run writes.

        Not of the target, in whose own commits a run is looked for.

        Parameters
        ----------
        source_identity : str
            What the source is, however it is spelled.
        """
        plain = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in _NO_EFFECT_ON_ROWS and f.name not in ("pipeline", "env", "options")
        }
        if self.mode == "fail":
            # It adds rows, as an append to a table that is not there does.
            plain["mode"] = "append"
        if self.mode != "merge":
            # Elsewhere it is only looked at.
            del plain["key"]
        plain["source"] = source_identity
        plain["options"] = self.options.for_prediction()
        text = json.dumps(plain, sort_keys=True, default=dict)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _names(value: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
