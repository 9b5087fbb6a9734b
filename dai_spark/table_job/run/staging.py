"""Staged rows: scored rows beside the target, as Parquet, and the commit that takes them in.

Rows are staged where they are read twice: for a MERGE, for a check before the commit, and to tell
bad rows from good ones.
"""

import time
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Iterator, Optional

from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import kind_of
from dai_spark.errors import TableJobError
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.run.write_result import WriteResult
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.targets.base import DELETED, MergeResult
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath
from dai_spark.table_job.work_folder.location import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["commit_staged", "staged_rows", "with_deleted"]

# Between the tries of a commit that other writers came before.
_PAUSES_S = (0.5, 2.0, 8.0, 30.0)


@contextmanager
def staged_rows(context: RunContext, rows: "DataFrame") -> Iterator[HadoopPath]:
    """Write rows beside the target, give their folder, and remove it behind the block.

    Runs on the driver; this is the Spark action that scores the rows.

    Parameters
    ----------
    context : RunContext
    rows : DataFrame

    Raises
    ------
    TableJobError
        Over Spark Connect, where there is no place for them.
    """
    work = work_folder(context.spark, context.job, context.target.table)
    if work is None:
        raise TableJobError(
            "Over Spark Connect there is no place to stage rows, which a merge and a quarantine "
            "need; run the job with spark-submit."
        )
    staged = work / "staged"
    # Killed runs may have left some: this run holds the lock, so nobody else writes here.
    staged.remove()
    folder = staged / uuid.uuid4().hex
    rows.write.parquet(folder.path)
    try:
        yield folder
    finally:
        staged.remove()


def commit_staged(
    context: RunContext,
    folder: HadoopPath,
    result: WriteResult,
    rows: "Optional[DataFrame]" = None,
) -> WriteResult:
    """Bring staged rows into the target.

    Runs on the driver.

    Parameters
    ----------
    context : RunContext
    folder : HadoopPath
        Where they lie.
    result : WriteResult
        What is known of them.
    rows : DataFrame, optional
        Those of them that are written, with the target's columns, where these are not all; a MERGE
        takes all.

    Returns
    -------
    WriteResult
        With what the commit did, and how long it took.

    Raises
    ------
    OverlapError
        Another run has taken the lock over.
    Exception
        What Spark raised.
    """
    begun = time.monotonic()
    staged = context.spark.read.parquet(folder.path) if rows is None else rows
    merged = _committed(context, folder, staged)
    if merged is None:
        return replace(result, writing_s=time.monotonic() - begun)
    n_written = None
    if merged.n_inserted is not None and merged.n_updated is not None:
        n_written = merged.n_inserted + merged.n_updated
    return replace(
        result,
        n_written=n_written,
        n_inserted=merged.n_inserted,
        n_updated=merged.n_updated,
        n_deleted=merged.n_deleted,
        writing_s=time.monotonic() - begun,
    )


def _committed(
    context: RunContext, folder: HadoopPath, staged: "DataFrame"
) -> Optional[MergeResult]:
    """Commit staged rows, again where another writer came between: nothing is scored twice."""
    columns = [name for name in staged.columns if name != DELETED]
    for pause_s in (*_PAUSES_S, None):
        context.check_lock()
        try:
            if context.job.mode == "merge":
                return context.target.merge(folder.path, staged.schema, context.record, columns)
            context.target.write(staged, context.record)
        except Exception as error:
            if pause_s is None or kind_of(error) != "concurrent commit":
                raise
            context.on_message(
                f"another writer has changed {context.target.table.text} meanwhile; the staged "
                "rows are committed again"
            )
            time.sleep(pause_s)
            # Its columns may be other ones now.
            context = context.with_new_target()
            context.target.check_schema(staged.select(*map(quoted, columns)).schema)
        else:
            return None
    raise AssertionError("the last try returns or raises")


def with_deleted(
    context: RunContext, rows: "DataFrame", new: NewRows, bad: "Optional[DataFrame]" = None
) -> "DataFrame":
    """Return rows to be written and keys to be deleted in one frame, told apart by `DELETED`.

    Parameters
    ----------
    context : RunContext
    rows : DataFrame
        With the target's columns.
    new : NewRows
        Names the keys that the source no longer has.
    bad : DataFrame, optional
        Rows that cannot be scored now: the target may hold scores of what they were.
    """
    from pyspark.sql import functions as F

    if not context.job.deletes:
        return rows
    rows = rows.withColumn(DELETED, F.lit(False))
    names = {name: context.target.name_of(name) for name in context.job.key}
    for gone in (new.deleted, bad):
        if gone is not None:
            keys = gone.select(*[F.col(quoted(old)).alias(to) for old, to in names.items()])
            keys = keys.withColumn(DELETED, F.lit(True))
            rows = rows.unionByName(keys, allowMissingColumns=True)
    return rows
