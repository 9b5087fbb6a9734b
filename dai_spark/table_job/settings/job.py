"""TableJob: everything that a user may say of one job, checked as far as words alone can be."""

import dataclasses
import difflib
import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from dai_spark.errors import OptionError
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.ranges import number, seconds, whole_number
from dai_spark.table_job.settings.amount import amount
from dai_spark.table_job.settings.pairs import check_pairs

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
    "quarantine": "rows of the source whose --key lies in the --quarantine, to be scored again",
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
        "target_branch",
        "publish",
        "min_rows",
        "allow_empty",
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
    target_branch : str, optional
        Branch of an Iceberg table that is written first, and published when all checks have passed.
    publish : bool, default True
        Without it the branch stays for others to look at and to publish.
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
        By default the target's name.  Runs of one name never overlap.
    run_id : str, optional
        A second run of the same id does nothing twice.  By default made from the job, pipeline,
        environment and the source's version.
    on_overlap : {"wait", "refuse"}, default "wait"
        What a run does while another of its job is at work.
    overlap_timeout_s : float, default 3600
    work_folder : str, optional
        URI for staged rows, locks and the last run's figures.  By default beside the target.
    incremental : {"missing", "since", "changes", "quarantine", "stream"}, optional
    since : str, optional
        Column of ``incremental="since"``; only ever growing, never null.
    since_mark : str, optional
        Largest value of `since` that is done, where no run of the job tells it.
    lookback : str, optional
        How far below the last mark of `since` rows are looked at again: a duration or a number.
    delete_missing : bool, default False
        With ``merge``: delete the target's rows whose key the source no longer has.
    checkpoint : str, optional
        URI of ``incremental="stream"``.
    keep_running : bool, default False
        Do not end the stream when nothing is left.
    quarantine : str, optional
        Table of bad rows: the columns kept and read, the reason, the run.
    max_bad_rows : str, optional
        ``"N"`` or ``"P%"``: with more, the job fails and the target stays as it was.
    min_rows : str, optional
        ``"N"``, or ``"P%"`` of the last run's rows: with fewer, the target stays as it was.
    allow_empty : bool, default False
        Let a run without rows replace rows of the target.
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
    target_branch: Optional[str] = None
    publish: bool = True
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
    lookback: Optional[str] = None
    delete_missing: bool = False
    checkpoint: Optional[str] = None
    keep_running: bool = False
    quarantine: Optional[str] = None
    max_bad_rows: Optional[str] = None
    min_rows: Optional[str] = None
    allow_empty: bool = False
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
        check_pairs(self)

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
        if self.lookback is not None:
            object.__setattr__(self, "lookback", str(self.lookback))
        if self.max_bad_rows is not None:
            # Python's callers may give a number.
            object.__setattr__(self, "max_bad_rows", str(self.max_bad_rows))
            self.bad_rows_allowed(0)
        if self.min_rows is not None:
            object.__setattr__(self, "min_rows", str(self.min_rows).strip())
            self.least_rows(0)

    def with_names_of(self, columns: Sequence[str]) -> "TableJob":
        """Return the job with names as its source spells them: Spark does not tell case apart.

        Parameters
        ----------
        columns : sequence of str
            The source's.  A name that is none of them, or could be two, stays as it is.
        """

        def spelt(names: Tuple[str, ...]) -> Tuple[str, ...]:
            return tuple(_spelt(name, columns) for name in names)

        return dataclasses.replace(
            self,
            key=spelt(self.key),
            keep=None if self.keep is None else spelt(self.keep),
            partition_by=spelt(self.partition_by),
            since=None if self.since is None else _spelt(self.since, columns),
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
    def deletes(self) -> bool:
        """Whether staged rows may say of keys that the target is to lose them."""
        return (
            self.incremental == "changes"
            or self.delete_missing
            or (self.mode == "merge" and self.quarantine is not None)
        )

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
        n, is_share = amount("max_bad_rows", self.max_bad_rows)
        return int(n * n_rows / 100) if is_share else int(n)

    def least_rows(self, n_last: Optional[int]) -> Optional[int]:
        """Fewest rows that a run may write; None where nothing tells.

        Parameters
        ----------
        n_last : int or None
            Rows of the job's last run; None where there was none.
        """
        if self.min_rows is None:
            return None
        n, is_share = amount("min_rows", self.min_rows)
        if not is_share:
            return int(n)
        return None if n_last is None else math.ceil(n * n_last / 100)

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


def _spelt(name: str, columns: Sequence[str]) -> str:
    if name in columns:
        return name
    alike = [column for column in columns if column.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name


def _names(value: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
