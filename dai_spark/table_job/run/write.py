"""Writing: straight into the target where it commits by itself, over staged rows where not.

The plain way scores in the very action that writes, so a run without bad rows reads and scores
every row once and stages nothing.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Optional

from dai_spark.driver.progress.show import show_progress
from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import (
    ScoringError,
    SidecarDiedError,
    SidecarTimeoutError,
    from_spark,
)
from dai_spark.table_job.contract.judge import Figures
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.report.observed_distributions import observed_expressions, read
from dai_spark.table_job.run.checks.row_guard import guard_scored
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.run.measured import measured_frame
from dai_spark.table_job.run.quarantine import write_good_rows
from dai_spark.table_job.run.settle import settle, settle_written
from dai_spark.table_job.run.staging import commit_staged, staged_rows, with_deleted
from dai_spark.table_job.run.write_result import WriteResult
from dai_spark.table_job.source.new_rows import NewRows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["write_rows"]

# Errors that a single row may be the cause of.
_ROW_ERRORS = (ScoringError, SidecarDiedError, SidecarTimeoutError)


def write_rows(context: RunContext, new: NewRows, accept: Callable[[Figures], None]) -> WriteResult:
    """Score rows and commit them, with a progress line.

    Runs on the driver, once a run.

    Parameters
    ----------
    context : RunContext
    new : NewRows
    accept : callable
        Where rows are staged: looks at the run's figures before anything is committed, and
        raises where the target is to stay as it is.

    Raises
    ------
    BadRowsError
        More bad rows than allowed; the target is as it was.
    DaiSparkError
        What the pipeline or `accept` raised.
    TableJobError
        Spark raised anything else.
    """
    try:
        with show_progress(
            context.spark, quiet=not context.shows_progress, on_message=context.on_message
        ):
            return _write(context, new, accept)
    except Exception as error:
        raise told(
            error,
            f"Spark could not score {context.source.table.text} into {context.target.table.text}",
        ) from error


def _write(context: RunContext, new: NewRows, accept: Callable[[Figures], None]) -> WriteResult:
    try:
        if context.job.mode == "merge" or context.job.is_looked_at_first:
            return _write_staged(context, new, accept)
        return _write_straight(context, new.rows)
    except Exception as error:
        found = from_spark(error)
        if context.job.quarantine is None or not isinstance(found, _ROW_ERRORS):
            raise
        context.on_message(f"{found.message} Looking for the bad rows")
    return write_good_rows(context, new, accept)


def _write_straight(context: RunContext, rows: "DataFrame") -> WriteResult:
    measured = measured_frame(context, rows)
    output = context.for_target(measured.frame)
    context.check_lock()
    begun = time.monotonic()
    context.target.write(output, context.record)
    scoring_s = time.monotonic() - begun
    result = measured.result() or _read_back(context)
    settle_written(context)
    return replace(result, scoring_s=scoring_s)


def _write_staged(
    context: RunContext, new: NewRows, accept: Callable[[Figures], None]
) -> WriteResult:
    measured = measured_frame(context, new.rows)
    output = context.for_target(measured.frame)
    begun = time.monotonic()
    with staged_rows(context, with_deleted(context, output, new)) as folder:
        result = measured.result()
        assert result is not None, "rows are staged on classic Spark, whose tasks report"
        guard_scored(context, result.n_scored)
        accept(result.figures)
        result = replace(result, scoring_s=time.monotonic() - begun)
        result = commit_staged(context, folder, result)
        settle(context, lambda: context.spark.read.parquet(folder.path))
        return result


def _read_back(context: RunContext) -> WriteResult:
    """Measure the rows of this run in the target, by their lineage."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    job, metrics = context.job, context.metrics.metrics()
    n_rows = metrics.n_rows if metrics is not None else 0
    if not job.lineage:
        return WriteResult(n_scored=n_rows, n_written=n_rows)
    target = context.with_new_target().target
    if target.is_new:
        # No row was written, and so no file that would tell the columns of a table of files.
        return WriteResult()
    there = target.written.read(context.spark)
    there = there.where(F.col(f"{quoted(COLUMN)}.run_id") == context.record.run_id)
    kind: Any
    parent: Optional[str]
    if job.prediction_layout == "struct":
        kind = there.schema[context.columns.prediction].dataType
        parent = context.columns.prediction
    else:
        predicted = set(context.columns.predicted)
        kind = StructType([f for f in there.schema.fields if f.name in predicted])
        parent = None
    n_written = F.count(F.lit(1)).alias("n_rows")
    found = there.agg(n_written, *observed_expressions(kind, parent)).collect()[0].asDict()
    return WriteResult(found["n_rows"], found["n_rows"], distributions=read(found))
