"""Settling: rows leave the quarantine when they have been scored, or judged, anew."""

from typing import TYPE_CHECKING, Any, Callable

from dai_spark.driver.schema import quoted, sql_text
from dai_spark.driver.spark_errors.telling import said_by
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.source.known_rows import keys_in
from dai_spark.table_job.source.quarantined import SETTLING
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.columns.names import named_like
from dai_spark.table_job.targets.merge_sql import own_session
from dai_spark.table_job.work_folder.location import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["settle", "settle_written"]


def settle(context: RunContext, keys: "Callable[[], DataFrame]") -> None:
    """Take the entries of earlier runs out of the quarantine, of rows that this run has judged.

    Runs on the driver, behind the commit.  A row that is good now is in the target; one that is
    bad again has an entry of this run; one that the source has deleted is nowhere.  A run that is
    killed before this leaves entries that `--incremental quarantine` settles.

    Parameters
    ----------
    context : RunContext
    keys : callable
        Gives a frame with the key's columns, where there is a quarantine to hold them against.
    """
    job = context.job
    if job.quarantine is None or not job.key:
        return
    try:
        n_rows = _settle(context, TableName.of(job.quarantine), keys())
    except Exception as error:  # noqa: BLE001 - whatever the format raised; the rows are committed
        context.on_message(
            f"rows that were scored are still in {job.quarantine} ({said_by(error)}); "
            "--incremental quarantine takes them out"
        )
        return
    if n_rows:
        context.on_message(f"{n_rows:,} rows of earlier runs have left {job.quarantine}")


def settle_written(context: RunContext) -> None:
    """Settle the rows that a run has written straight into its target, by their lineage.

    Parameters
    ----------
    context : RunContext
    """
    from pyspark.sql import functions as F

    if context.job.quarantine is None or not context.job.key or not context.job.lineage:
        return

    def written() -> "DataFrame":
        rows = context.with_new_target().target.written.read(context.spark)
        return rows.where(F.col(f"{quoted(COLUMN)}.run_id") == context.record.run_id)

    settle(context, written)


def _settle(context: RunContext, table: TableName, keys: "DataFrame") -> int:
    from pyspark.sql import functions as F

    spark, key = context.spark, list(context.job.key)
    if table.provider(spark) not in SETTLING or table.schema_if_exists(spark) is None:
        return 0
    table.renew(spark)
    run_id = context.record.run_id
    earlier: Any = table.read(spark).where(F.col(f"{quoted(COLUMN)}.run_id") != run_id)
    columns = [quoted(name) for name in key]
    there = [quoted(named_like(name, earlier.columns)) for name in key]
    settled = keys_in(earlier, context.job).join(
        keys_in(keys, context.job), on=key, how="left_semi"
    )
    work = work_folder(spark, context.job, context.target.table)
    if work is None or not settled.limit(1).count():
        return 0
    folder = work / "settled"
    folder.remove()
    try:
        settled.distinct().write.parquet(folder.path)
        n_rows = int(settled.count())
        on = " AND ".join(f"t.{old} = s.{name}" for old, name in zip(there, columns))
        with own_session(spark, folder.path, settled.schema, {}) as (session, view):
            session.sql(
                f"MERGE INTO {table.sql} t USING {quoted(view)} s ON {on} WHEN MATCHED AND "
                f"t.{quoted(COLUMN)}.run_id <> {sql_text(run_id)} THEN DELETE"
            ).collect()
    finally:
        folder.remove()
    return n_rows
