"""Bad rows: those that cannot be scored, told from the others and kept in a table of their own."""

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Sequence, Tuple

from dai_spark.driver.isolated_dataframe import isolated_dataframe
from dai_spark.driver.row_facts.rows_measure import RowsMeasure
from dai_spark.driver.schema import quoted
from dai_spark.errors import BadRowsError
from dai_spark.table_job.contract.judge import Figures
from dai_spark.table_job.run.checks.row_guard import guard_scored
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.run.measured import result_of, what_to_measure
from dai_spark.table_job.run.settle import settle
from dai_spark.table_job.run.staging import commit_staged, staged_rows, with_deleted
from dai_spark.table_job.run.write_result import WriteResult
from dai_spark.table_job.source.known_rows import keys_in
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.targets.choose import target_of
from dai_spark.table_job.targets.columns.names import safe_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["write_good_rows"]

# Column of staged rows that says why a row could not be scored.
_ERROR = "_dai_spark_error"
_N_EXAMPLES = 10


def write_good_rows(
    context: RunContext, new: NewRows, accept: Callable[[Figures], None]
) -> WriteResult:
    """Score all rows once more, set the bad ones apart, and write the others.

    Runs on the driver, where the plain way has met a bad row.

    Parameters
    ----------
    context : RunContext
    new : NewRows
    accept : callable
        Looks at the run's figures before anything is committed; may raise.

    Raises
    ------
    BadRowsError
        More bad rows than allowed; the target is as it was.
    Exception
        What `accept` or Spark raised.
    """
    from pyspark.sql import functions as F

    job = context.job
    measure = RowsMeasure(context.spark, what_to_measure(context, new.rows))
    frame = isolated_dataframe(
        new.rows,
        context.plan,
        list(dict.fromkeys([*context.columns.kept, *context.plan.wanted()])),
        job.prediction,
        _ERROR,
        context.on_message,
        context.where,
        context.metrics,
        # A percentage is of rows that are not counted yet; a number can end a task early.
        None if "%" in (job.max_bad_rows or "%") else job.bad_rows_allowed(0),
        job.read,
        measure,
        context.on_reading,
    )
    begun = time.monotonic()
    with staged_rows(context, frame) as folder:
        scoring_s = time.monotonic() - begun
        staged = context.spark.read.parquet(folder.path)
        bad = staged.where(F.col(_ERROR).isNotNull())
        good = staged.where(F.col(_ERROR).isNull()).drop(_ERROR)
        result = result_of(measure)
        found = bad.limit(_N_EXAMPLES).collect() if result.n_quarantined else []
        result = replace(
            result,
            bad_rows=tuple(_example(row, job.key) for row in found),
            scoring_s=scoring_s,
        )
        _check_number(context, result)
        examples = [f"{row}: {why}" for row, why in result.bad_rows[:1]]
        n_good = result.n_scored - result.n_quarantined
        guard_scored(context, n_good, result.n_quarantined, *examples)
        accept(result.figures)
        context.check_lock()
        # First: rows that are in neither table would be lost where the driver is killed between.
        _append(context, bad)
        rows = with_deleted(context, context.for_target(good), new, bad)
        again = folder.parent / f"{folder.name}-good"
        if job.mode == "merge":
            # A MERGE names its rows by their folder.
            rows.write.parquet(again.path)
            result = commit_staged(context, again, result)
        else:
            result = commit_staged(context, folder, result, rows)

        def judged() -> "DataFrame":
            keys = keys_in(staged, job)
            if job.mode != "merge":
                return keys
            return keys.union(keys_in(context.spark.read.parquet(again.path), job)).distinct()

        settle(context, judged)
        return result


def _check_number(context: RunContext, result: WriteResult) -> None:
    allowed = context.job.bad_rows_allowed(result.n_scored)
    if result.n_quarantined > allowed:
        examples = "; ".join(f"{row}: {why}" for row, why in result.bad_rows[:3])
        raise BadRowsError(
            f"{result.n_quarantined:,} of {result.n_scored:,} rows of {context.source.table.text} "
            f"cannot be scored, more than the {allowed:,} that --max-bad-rows "
            f"{context.job.max_bad_rows} allows; nothing was written. For example {examples}"
        )


def _example(row: Any, key: Sequence[str]) -> Tuple[str, str]:
    named = {name: row[name] for name in key or row.asDict() if name != _ERROR}
    return json.dumps(named, default=str), row[_ERROR]


def _append(context: RunContext, bad: "DataFrame") -> None:
    """Append bad rows to the job's quarantine table, which is created if need be.

    Its columns are those that the target keeps, ``input`` (the pipeline's columns of the row, as
    JSON, so that one table serves pipelines with different columns), ``reason`` and ``scoring``
    (the lineage).  A run that is repeated adds nothing twice.
    """
    from pyspark.sql import functions as F

    assert context.job.quarantine is not None
    job = replace(
        context.job,
        target=context.job.quarantine,
        target_options={},
        target_branch=None,
        publish=True,
        mode="append",
        partition_by=(),
        n_files=1,
        incremental=None,
        since=None,
        since_mark=None,
        lookback=None,
        delete_missing=False,
        evolve_schema=False,
    )
    quarantine = target_of(context.spark, job)
    quarantine.check_mode()
    quarantine.recover()
    if quarantine.find(context.record.run_id) is not None:
        return
    values = F.struct(*[F.col(quoted(name)) for name in context.plan.wanted()])
    kept = []
    for name in context.columns.kept:
        # What this table, maybe of another format, calls the column.
        safe = safe_type(bad.schema[name].dataType, quarantine.unsafe)
        kept.append(F.col(quoted(name)).cast(safe).alias(quarantine.name_of(name)))
    rows = bad.select(
        *kept,
        F.to_json(values, {"ignoreNullFields": "false"}).alias("input"),
        F.col(_ERROR).alias("reason"),
        context.record.column(),
    )
    quarantine.check_schema(rows.schema)
    quarantine.write(rows, context.record)
