"""TableJob: everything that a user may say of one job, checked as far as words alone can be."""

import dataclasses
import difflib
import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from dai_spark.errors import OptionError
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.ranges import number, seconds, whole_number
from dai_spark.table_job.settings.job_words import JobWords
from dai_spark.table_job.settings.spelling import as_spelt
from dai_spark.table_job.settings.together import check_together

__all__ = ["INCREMENTAL", "LAYOUTS", "MODES", "WAYS", "TableJob"]

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
WAYS = ("auto", "spark", "files")

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
        "read",
    }
)


@dataclass(frozen=True)
class TableJob(JobWords):
    """One job of scoring a table into a table, of words that can be meant together.

    Raises
    ------
    OptionError
        A value that cannot be meant, or two that exclude each other.
    """

    def __post_init__(self) -> None:
        for name in ("key", "partition_by", "report"):
            object.__setattr__(self, name, _names(getattr(self, name)))
        if self.keep is not None:
            object.__setattr__(self, "keep", _names(self.keep))
        if not self.job_name:
            object.__setattr__(self, "job_name", f"score {self.target}")
        self._check_choices()
        check_together(self)

    def _check_choices(self) -> None:
        for name, allowed in (
            ("mode", tuple(MODES)),
            ("prediction_layout", LAYOUTS),
            ("on_overlap", ("wait", "refuse")),
            ("read", WAYS),
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
            return tuple(as_spelt(name, columns) for name in names)

        return dataclasses.replace(
            self,
            key=spelt(self.key),
            keep=None if self.keep is None else spelt(self.keep),
            partition_by=spelt(self.partition_by),
            since=None if self.since is None else as_spelt(self.since, columns),
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
        amount, is_share = _amount("max_bad_rows", self.max_bad_rows)
        return int(amount * n_rows / 100) if is_share else int(amount)

    def least_rows(self, n_last: Optional[int]) -> Optional[int]:
        """Fewest rows that a run may write; None where nothing tells.

        Parameters
        ----------
        n_last : int or None
            Rows of the job's last run; None where there was none.
        """
        if self.min_rows is None:
            return None
        amount, is_share = _amount("min_rows", self.min_rows)
        if not is_share:
            return int(amount)
        return None if n_last is None else math.ceil(amount * n_last / 100)

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


def _amount(name: str, text: str) -> "Tuple[float, bool]":
    """A number of rows, or of percent: which, and whether it is percent."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(%?)", text.strip())
    if match is None or (not match.group(2) and "." in match.group(1)):
        raise OptionError(
            f"{name}={text!r} is neither a number of rows nor a percentage, such as 100 or 0.5%."
        )
    return float(match.group(1)) if match.group(2) else int(match.group(1)), bool(match.group(2))


def _names(value: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
