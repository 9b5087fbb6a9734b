"""Writing: straight into the target where it commits by itself, over staged rows where not.

The plain way scores in the very action that writes, so a run without bad rows reads and scores
every row once and stages nothing.  Rows are staged, as Parquet beside the target, where they are
read twice: for a MERGE, for a check before the commit, and to tell bad rows from good ones after
the plain way has met one.
"""

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Optional, Sequence

from dai_spark.errors import (
    BadRowsError,
    ScoringError,
    SidecarDiedError,
    SidecarTimeoutError,
    TableJobError,
    from_spark,
)
from dai_spark.plan import ScoringPlan
from dai_spark.table_job.folder import Folder
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.new_rows import NewRows
from dai_spark.table_job.quarantine import write_quarantine
from dai_spark.table_job.target.base import DELETED
from dai_spark.table_job.target.choose import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dai_spark.table_job.batch import BatchRun

__all__ = ["ERROR", "Written", "write_rows"]

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
        if run.job.mode == "merge":
            return _merge(run, new, plan, record)
        return _straight(run, new.rows, plan, record)
    except Exception as error:
        if run.job.quarantine is None or not isinstance(from_spark(error), _OF_ROWS):
            raise
        found = from_spark(error)
        assert found is not None
        run.say(f"{found.message} Looking for the bad rows")
    return _isolated(run, new, plan, record)


def _straight(run: "BatchRun", rows: "DataFrame", plan: ScoringPlan, record: RunRecord) -> Written:
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    counted = Observation("dai_spark")
    made = run.output(plan).of(run.scored(rows, plan), run.kept(), record)
    run.commit_check()
    run.target.write(made.observe(counted, F.count(F.lit(1)).alias("n_rows")), record)
    n_rows = int(counted.get["n_rows"])
    return Written(n_scored=n_rows, n_written=n_rows)


def _merge(run: "BatchRun", new: NewRows, plan: ScoringPlan, record: RunRecord) -> Written:
    made = run.output(plan).of(run.scored(new.rows, plan), run.kept(), record)
    with _staged(run, made, new.deleted) as folder:
        return _merged(run, folder, record)


def _merged(run: "BatchRun", folder: Folder, record: RunRecord) -> Written:
    staged = run.spark.read.parquet(folder.path)
    n_scored = staged.where(f"NOT {DELETED}").count() if DELETED in staged.columns else None
    n_scored = staged.count() if n_scored is None else n_scored
    columns = [name for name in staged.columns if name != DELETED]
    run.commit_check()
    merged = run.target.merge(folder.path, record, columns)
    n_written = None
    if merged.n_inserted is not None and merged.n_updated is not None:
        n_written = merged.n_inserted + merged.n_updated
    return Written(
        n_scored=n_scored,
        n_written=n_written,
        n_inserted=merged.n_inserted,
        n_updated=merged.n_updated,
        n_deleted=merged.n_deleted,
    )


@contextmanager
def _staged(
    run: "BatchRun", rows: "DataFrame", deleted: "Optional[DataFrame]" = None
) -> Iterator[Folder]:
    """Write rows aside, as Parquet; they are removed behind the block."""
    from pyspark.sql import functions as F

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
    if run.job.incremental == "changes":
        rows = rows.withColumn(DELETED, F.lit(False))
        if deleted is not None:
            gone = deleted.withColumn(DELETED, F.lit(True))
            rows = rows.unionByName(gone, allowMissingColumns=True)
    rows.write.parquet(folder.path)
    try:
        yield folder
    finally:
        folder.remove()


# -- bad rows -----------------------------------------------------------------------------------


def _isolated(run: "BatchRun", new: NewRows, plan: ScoringPlan, record: RunRecord) -> Written:
    """Score once more, find the bad rows, and write the others."""
    from pyspark.sql import functions as F

    from dai_spark.driver.isolated import isolated_frame

    kept = run.kept()
    read = list(dict.fromkeys([*kept, *plan.wanted()]))
    frame = isolated_frame(
        new.rows,
        plan,
        read,
        run.job.prediction,
        ERROR,
        run.say,
        f"Table {run.source.table.text}",
        run.metrics,
    )
    with _staged(run, frame) as folder:
        staged = run.spark.read.parquet(folder.path)
        counts = staged.agg(F.count(F.lit(1)).alias("n"), F.count(ERROR).alias("bad")).collect()[0]
        n_rows, n_bad = int(counts["n"]), int(counts["bad"])
        bad = staged.where(F.col(ERROR).isNotNull())
        _check_bad(run, bad, n_bad, n_rows)
        run.commit_check()
        # First: rows that are in neither table would be lost where the driver is killed between.
        write_quarantine(run, bad, kept, list(plan.wanted()), ERROR, record)
        good = staged.where(F.col(ERROR).isNull()).drop(ERROR)
        made = run.output(plan).of(good, kept, record)
        if run.job.mode != "merge":
            run.target.write(made, record)
            return Written(n_rows, n_rows - n_bad, n_quarantined=n_bad)
        again = folder.parent / f"{folder.name}-good"
        if run.job.incremental == "changes":
            made = made.withColumn(DELETED, F.lit(False))
            if new.deleted is not None:
                gone = new.deleted.withColumn(DELETED, F.lit(True))
                made = made.unionByName(gone, allowMissingColumns=True)
        made.write.parquet(again.path)
        return _with_bad(_merged(run, again, record), n_rows, n_bad)


def _with_bad(written: Written, n_rows: int, n_bad: int) -> Written:
    from dataclasses import replace

    return replace(written, n_scored=n_rows, n_quarantined=n_bad)


def _check_bad(run: "BatchRun", bad: "DataFrame", n_bad: int, n_rows: int) -> None:
    allowed = run.job.bad_rows_allowed(n_rows)
    if n_bad <= allowed:
        return
    examples = [_example(row, run.job.key) for row in bad.limit(3).collect()]
    raise BadRowsError(
        f"{n_bad:,} of {n_rows:,} rows of {run.source.table.text} cannot be scored, more than the "
        f"{allowed:,} that --max-bad-rows {run.job.max_bad_rows} allows; nothing was written. "
        f"For example {'; '.join(examples)}"
    )


def _example(row: Any, key: Sequence[str]) -> str:
    named = ", ".join(f"{name} {row[name]}" for name in key)
    return f"{named or 'a row'}: {row[ERROR]}"
