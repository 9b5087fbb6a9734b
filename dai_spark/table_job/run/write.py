"""Writing: straight into the target where it commits by itself, over staged rows where not.

The plain way scores in the very action that writes, so a run without bad rows reads and scores
every row once and stages nothing.  Rows are staged, as Parquet beside the target, where they are
read twice: for a MERGE, for a check before the commit, and to tell bad rows from good ones after
the plain way has met one.
"""

import json
import logging
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Optional, Sequence, Tuple

from dai_spark.driver.isolated_dataframe import isolated_dataframe
from dai_spark.driver.schema import quoted
from dai_spark.errors import (
    BadRowsError,
    ScoringError,
    SidecarDiedError,
    SidecarTimeoutError,
    TableJobError,
    from_spark,
)
from dai_spark.plan.plan import ScoringPlan
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.report.distribution import (
    Distribution,
    observe,
    observed_expressions,
    read,
)
from dai_spark.table_job.run.quarantine import write_quarantine
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.table_name import first_line
from dai_spark.table_job.targets.base import DELETED
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath
from dai_spark.table_job.work_folder.location import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dai_spark.table_job.run.batch import BatchRun

__all__ = ["ERROR", "Written", "write_rows"]

_LOG = logging.getLogger(__name__)

# Column of staged rows that says why a row could not be scored.
ERROR = "_dai_spark_error"
_OF_ROWS = (ScoringError, SidecarDiedError, SidecarTimeoutError)


@dataclass(frozen=True)
class Written:
    """What a run wrote, in rows; None where the format does not tell."""

    n_scored: int = 0
    n_written: Optional[int] = 0
    n_inserted: Optional[int] = None
    n_updated: Optional[int] = None
    n_deleted: Optional[int] = None
    n_quarantined: int = 0
    bad_rows: Tuple[Tuple[str, str], ...] = ()
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    scoring_s: float = 0.0
    writing_s: Optional[float] = None


def write_rows(run: "BatchRun", new: NewRows, plan: ScoringPlan, record: RunRecord) -> Written:
    """Score rows and commit them.

    Raises
    ------
    BadRowsError
        More bad rows than allowed; the target is as it was.
    Exception
        What Spark raised.
    """
    try:
        if run.job.mode == "merge" or run.job.fail_on_drift is not None:
            return _checked(run, new, plan, record)
        return _straight(run, new.rows, plan, record)
    except Exception as error:
        if run.job.quarantine is None or not isinstance(from_spark(error), _OF_ROWS):
            raise
        found = from_spark(error)
        assert found is not None
        run.on_message(f"{found.message} Looking for the bad rows")
    return _isolated(run, new, plan, record)


class _Measured:
    """A scored frame whose rows are counted, and their predictions measured, as they pass."""

    def __init__(self, run: "BatchRun", scored: "DataFrame") -> None:
        from pyspark.sql import Observation
        from pyspark.sql import functions as F

        self._observation = Observation("dai_spark")
        n_rows = F.count(F.lit(1)).alias("n_rows")
        self.frame = observe(scored, self._observation, run.job.prediction, [n_rows])

    def written(self) -> Optional[Written]:
        """What was seen, once an action has run; None where Spark has lost it.

        It does where a format runs the plan inside a command of its own (Delta, for tables of a
        catalog): the command is the query that Spark reports of, and it has observed nothing.
        """
        try:
            found = self._observation.get
            n_rows = int(found["n_rows"])
        except Exception as error:  # noqa: BLE001 - an assertion in the JVM, or an empty row
            _LOG.info("nothing was observed: %s", first_line(error))
            return None
        return Written(n_scored=n_rows, n_written=n_rows, distributions=read(found))


def _read_back(run: "BatchRun", plan: ScoringPlan, record: RunRecord) -> Written:
    """Measure the rows of this run in the target, by their lineage."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    metrics = run.metrics.metrics()
    n_rows = metrics.n_rows if metrics is not None else 0
    if not run.job.lineage:
        return Written(n_scored=n_rows, n_written=n_rows)
    there = run.target.table.read(run.spark)
    there = there.where(F.col(f"{quoted(COLUMN)}.run_id") == record.run_id)
    kind: Any
    if run.job.prediction_layout == "struct":
        kind, parent = there.schema[run.job.prediction].dataType, run.job.prediction
    else:
        kept = {*run.kept(), COLUMN}
        kind, parent = StructType([f for f in there.schema.fields if f.name not in kept]), None
    n_written = F.count(F.lit(1)).alias("n_rows")
    found = there.agg(n_written, *observed_expressions(kind, parent)).collect()[0].asDict()
    return Written(found["n_rows"], found["n_rows"], distributions=read(found))


def _straight(run: "BatchRun", rows: "DataFrame", plan: ScoringPlan, record: RunRecord) -> Written:
    measured = _Measured(run, run.scored(rows, plan))
    made = run.output(plan).of(measured.frame, run.kept(), record)
    run.commit_check()
    begun = time.monotonic()
    run.target.write(made, record)
    scoring_s = time.monotonic() - begun
    written = measured.written() or _read_back(run, plan, record)
    return replace(written, scoring_s=scoring_s)


def _checked(run: "BatchRun", new: NewRows, plan: ScoringPlan, record: RunRecord) -> Written:
    """Stage the scored rows, hold them against the last run's, and commit them from there."""
    measured = _Measured(run, run.scored(new.rows, plan))
    made = run.output(plan).of(measured.frame, run.kept(), record)
    begun = time.monotonic()
    with _staged(run, _with_deleted(run, made, new)) as folder:
        written = measured.written()
        assert written is not None, "Spark's own Parquet writer reports what was observed"
        written = replace(written, scoring_s=time.monotonic() - begun)
        run.check_drift(written.distributions)
        return _commit(run, folder, record, written)


def _commit(run: "BatchRun", folder: HadoopPath, record: RunRecord, written: Written) -> Written:
    """Bring staged rows into the target."""
    run.commit_check()
    begun = time.monotonic()
    staged = run.spark.read.parquet(folder.path)
    if run.job.mode != "merge":
        run.target.write(staged, record)
        return replace(written, writing_s=time.monotonic() - begun)
    columns = [name for name in staged.columns if name != DELETED]
    merged = run.target.merge(folder.path, record, columns)
    n_written = None
    if merged.n_inserted is not None and merged.n_updated is not None:
        n_written = merged.n_inserted + merged.n_updated
    return replace(
        written,
        n_written=n_written,
        n_inserted=merged.n_inserted,
        n_updated=merged.n_updated,
        n_deleted=merged.n_deleted,
        writing_s=time.monotonic() - begun,
    )


def _with_deleted(run: "BatchRun", made: "DataFrame", new: NewRows) -> "DataFrame":
    """Rows to be written and keys to be deleted in one frame, told apart by `DELETED`."""
    from pyspark.sql import functions as F

    if run.job.incremental != "changes":
        return made
    made = made.withColumn(DELETED, F.lit(False))
    if new.deleted is None:
        return made
    gone = new.deleted.withColumn(DELETED, F.lit(True))
    return made.unionByName(gone, allowMissingColumns=True)


@contextmanager
def _staged(run: "BatchRun", rows: "DataFrame") -> Iterator[HadoopPath]:
    """Write rows aside, as Parquet; they are removed behind the block."""
    work = work_folder(run.spark, run.job, run.target.table)
    if work is None:
        raise TableJobError(
            "Over Spark Connect there is no place to stage rows, which a merge and a quarantine "
            "need; run the job with spark-submit."
        )
    staged = work / "staged"
    # Of runs that were killed: the lock is held, so nobody else's.
    staged.remove()
    folder = staged / uuid.uuid4().hex
    rows.write.parquet(folder.path)
    try:
        yield folder
    finally:
        staged.remove()


# -- bad rows -----------------------------------------------------------------------------------


def _isolated(run: "BatchRun", new: NewRows, plan: ScoringPlan, record: RunRecord) -> Written:
    """Score once more, find the bad rows, and write the others."""
    from pyspark.sql import functions as F

    job, kept = run.job, run.kept()
    frame = isolated_dataframe(
        new.rows,
        plan,
        list(dict.fromkeys([*kept, *plan.wanted()])),
        job.prediction,
        ERROR,
        run.on_message,
        f"Table {run.source.table.text}",
        run.metrics,
        # A percentage is of rows that are not counted yet; a number can end a task early.
        None if "%" in (job.max_bad_rows or "%") else job.bad_rows_allowed(0),
    )
    begun = time.monotonic()
    with _staged(run, frame) as folder:
        scoring_s = time.monotonic() - begun
        staged = run.spark.read.parquet(folder.path)
        bad = staged.where(F.col(ERROR).isNotNull())
        good = staged.where(F.col(ERROR).isNull()).drop(ERROR)
        kind: Any = staged.schema[job.prediction].dataType
        n_good = F.count(F.lit(1)).alias("n_rows")
        seen = good.agg(n_good, *observed_expressions(kind, job.prediction)).collect()[0].asDict()
        n_bad = bad.count()
        written = Written(
            n_scored=seen["n_rows"] + n_bad,
            n_written=seen["n_rows"],
            n_quarantined=n_bad,
            bad_rows=tuple(_example(row, job.key) for row in bad.limit(10).collect()),
            distributions=read(seen),
            scoring_s=scoring_s,
        )
        _check_bad(run, written)
        run.check_drift(written.distributions)
        run.commit_check()
        # First: rows that are in neither table would be lost where the driver is killed between.
        write_quarantine(run, bad, kept, list(plan.wanted()), ERROR, record)
        made = _with_deleted(run, run.output(plan).of(good, kept, record), new)
        again = folder.parent / f"{folder.name}-good"
        made.write.parquet(again.path)
        return _commit(run, again, record, written)


def _check_bad(run: "BatchRun", written: Written) -> None:
    allowed = run.job.bad_rows_allowed(written.n_scored)
    if written.n_quarantined > allowed:
        examples = "; ".join(f"{row}: {why}" for row, why in written.bad_rows[:3])
        raise BadRowsError(
            f"{written.n_quarantined:,} of {written.n_scored:,} rows of {run.source.table.text} "
            f"cannot be scored, more than the {allowed:,} that --max-bad-rows "
            f"{run.job.max_bad_rows} allows; nothing was written. For example {examples}"
        )


def _example(row: Any, key: Sequence[str]) -> Tuple[str, str]:
    named = {name: row[name] for name in key or row.asDict() if name != ERROR}
    return json.dumps(named, default=str), row[ERROR]
