"""What a source's own change log tells: Delta's change data feed, Iceberg's changelog."""

import uuid
from typing import TYPE_CHECKING, Any, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import in_full, said_by
from dai_spark.errors import TableJobError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import Source, selected

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["changes_between"]

_KIND = "_change_type"
# Both formats' words, in lower case, for a row as it was before an update.
_BEFORE = ("update_preimage", "update_before")
_DELETE = "delete"


def changes_between(
    spark: Any, source: Source, job: TableJob, after: str
) -> "Tuple[DataFrame, DataFrame]":
    """The last state of every row that changed after a version, and the keys of those that went.

    Runs on the driver; reads metadata.  A row that ``--where`` no longer lets through counts as
    one that went.

    Parameters
    ----------
    spark : SparkSession
    source : Source
        Pinned to the version that the run scores.
    job : TableJob
    after : str
        The version that the last run has scored.

    Returns
    -------
    rows, deleted : DataFrame
        With the source's columns; with the key's.

    Raises
    ------
    TableJobError
        The format or the table keeps no changes, or no longer as far back.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if source.provider == "delta":
        changes, order = _delta_changes(spark, source, after), "_commit_version"
    elif source.provider == "iceberg" and source.table.format is None:
        changes, order = _iceberg_changes(spark, source, job, after), "_change_ordinal"
    else:
        raise TableJobError(
            f"{source.table.text} keeps no log of its changes; use --incremental missing or "
            "since, or keep the source as a Delta or Iceberg table."
        )
    key = [quoted(name) for name in job.key]
    kind = F.lower(F.col(_KIND))
    # A row that one commit deletes and writes again is there afterwards.
    newest = Window.partitionBy(*key).orderBy(
        F.col(order).desc(), F.when(kind == _DELETE, 1).otherwise(0)
    )
    n = f"_{uuid.uuid4().hex}"
    last = (
        changes.where(~kind.isin(*_BEFORE))
        .withColumn(n, F.row_number().over(newest))
        .where(F.col(n) == 1)
    )
    names = source.frame.columns
    there = last.where(kind != _DELETE)
    rows = selected(there.select(*map(quoted, names)), job, source.table.text)
    gone = last.where(kind == _DELETE).select(*key)
    if job.where is not None:
        let_through = F.coalesce(F.expr(job.where), F.lit(False))
        gone = gone.unionByName(there.where(~let_through).select(*key))
    return rows, gone


def _delta_changes(spark: Any, source: Source, after: str) -> "DataFrame":
    options = {
        "readChangeFeed": "true",
        "startingVersion": str(int(after) + 1),
        "endingVersion": str(source.version),
    }
    try:
        if source.table.format is None:
            frame: DataFrame = spark.read.options(**options).table(source.table.name)
        else:
            frame = spark.read.format("delta").options(**options).load(source.table.name)
        _ = frame.schema
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise _no_changes(source, after, error) from None
    return frame


def _iceberg_changes(spark: Any, source: Source, job: TableJob, after: str) -> "DataFrame":
    catalog, _, name = source.table.name.partition(".")
    view = f"dai_spark_changes_{uuid.uuid4().hex}"
    keys = ", ".join("'" + name.replace("'", "\\'") + "'" for name in job.key)
    try:
        spark.sql(
            f"CALL {catalog}.system.create_changelog_view(table => '{name}', "
            f"changelog_view => '{view}', identifier_columns => array({keys}), options => "
            f"map('start-snapshot-id', '{after}', 'end-snapshot-id', '{source.version}'))"
        ).collect()
        frame: DataFrame = spark.table(view)
        _ = frame.schema
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise _no_changes(source, after, error) from None
    return frame


def _no_changes(source: Source, after: str, error: BaseException) -> TableJobError:
    return TableJobError(
        f"{source.table.text} does not tell its changes after version {after} "
        f"({said_by(error)}); a Delta table wants delta.enableChangeDataFeed=true, and versions "
        "that were vacuumed or expired are gone. Score once with --incremental missing.",
        in_full(error),
    )
