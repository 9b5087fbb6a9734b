"""What a source's own change log tells: Delta's change data feed, Iceberg's changelog."""

import re
import uuid
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import in_full, kind_of, said_by, told
from dai_spark.errors import TableJobError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import Source, selected

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["changes_between", "check_feed"]

_KIND = "_change_type"
# Both formats' words, in lower case, for a row as it was before an update.
_BEFORE = ("update_preimage", "update_before")
_DELETE = "delete"
_FEED = "delta.enableChangeDataFeed"
# Delta names the first version that has recorded nothing.
_ROW_DELETES = "Delete files are currently not supported in changelog scans"
_NOT_RECORDED = re.compile(
    r"DELTA_MISSING_CHANGE_DATA.*?not\s+recorded\s+for\s+version \[(\d+)\]", re.DOTALL
)
# Of the errors that reading a log raises, those that running again does not mend.
_GAPS = ("version not there", "file gone", "not supported", "other columns", "")


def check_feed(spark: Any, source: Source) -> None:
    """Refuse a source that keeps no log of its changes, also in the run that needs none yet.

    Runs on the driver; reads metadata.

    Parameters
    ----------
    spark : SparkSession
    source : Source

    Raises
    ------
    TableJobError
        A view, a format without such a log, or a Delta table whose feed is off.
    """
    table = source.table
    if source.provider == "delta":
        rows = spark.sql(f"SHOW TBLPROPERTIES {table.sql}").collect()
        settings = {row["key"].lower(): row["value"] for row in rows}
        if settings.get(_FEED.lower(), "").lower() != "true":
            raise TableJobError(
                f"The change data feed of {table.text} is off, so the table keeps no log of its "
                f"changes; turn it on (ALTER TABLE {table.sql} SET TBLPROPERTIES ({_FEED} = "
                "true)), or use --incremental missing with --delete-missing."
            )
    elif source.provider != "iceberg" or table.format is not None:
        what = "is a view, which" if source.provider is None else "is a table that"
        raise TableJobError(
            f"{table.text} {what} keeps no log of its changes; use --incremental missing with "
            "--delete-missing, or give a Delta or Iceberg table of a catalog as --source."
        )


def changes_between(
    spark: Any, source: Source, job: TableJob, after: str
) -> "Tuple[DataFrame, DataFrame]":
    """The last state of every row that changed after a version, and the keys of those that went.

    Runs on the driver; reads metadata and, of Delta tables, the ends of the files that hold the
    changes.  A row that ``--where`` no longer lets through counts as one that went.

    Parameters
    ----------
    spark : SparkSession
    source : Source
        Pinned to the version that the run scores; `check_feed` has let it through.
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
        The table no longer tells all changes since that version.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if source.provider == "delta":
        changes, order = _delta_changes(spark, source, after), "_commit_version"
    else:
        changes, order = _iceberg_changes(spark, source, job, after), "_change_ordinal"
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
    if int(after) > int(source.version or after):
        raise _gap(source, after, f"version {source.version}, which is to be scored, is older")
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
        # Delta looks for the versions and opens the files when rows are read, and not before.
        frame.count()
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise _no_changes(source, after, error) from None
    return frame


def _iceberg_changes(spark: Any, source: Source, job: TableJob, after: str) -> "DataFrame":
    _check_ancestor(spark, source, after)
    catalog, _, name = source.table.name.partition(".")
    view = f"dai_spark_changes_{uuid.uuid4().hex}"
    keys = ", ".join("'" + name.replace("'", "\\'") + "'" for name in job.key)
    span = {"start-snapshot-id": after, "end-snapshot-id": str(source.version)}
    try:
        # Iceberg looks for the snapshots, and for row-level deletes, when rows are read.
        spark.read.options(**span).table(f"{source.table.name}.changes").limit(1).count()
        shown = ", ".join(f"'{key}', '{value}'" for key, value in span.items())
        spark.sql(
            f"CALL {catalog}.system.create_changelog_view(table => '{name}', "
            f"changelog_view => '{view}', identifier_columns => array({keys}), options => "
            f"map({shown}))"
        ).collect()
        frame: DataFrame = spark.table(view)
        _ = frame.schema
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise _no_changes(source, after, error) from None
    return frame


def _check_ancestor(spark: Any, source: Source, after: str) -> None:
    """Refuse a snapshot that no unbroken line of snapshots leads to from the one that is read."""
    try:
        found = spark.sql(f"SELECT snapshot_id, parent_id FROM {source.table.name}.snapshots")
        parents: Dict[int, Optional[int]] = {row[0]: row[1] for row in found.collect()}
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise told(error, f"The snapshots of {source.table.text} cannot be listed") from None
    snapshot: Optional[int] = int(source.version or after)
    while snapshot is not None and snapshot != int(after):
        if snapshot not in parents:
            raise _gap(source, after, f"snapshot {snapshot} behind it has expired")
        snapshot = parents[snapshot]
    if snapshot is None:
        raise _gap(source, after, "the table was rolled back, replaced, or made anew")


def _no_changes(source: Source, after: str, error: BaseException) -> TableJobError:
    if kind_of(error) not in _GAPS:
        wrong = told(error, f"The changes of {source.table.text} cannot be read")
        return TableJobError(wrong.message, wrong.details)
    if _ROW_DELETES in str(error):
        # A full merge would not mend it: the next run meets the same delete files.
        return TableJobError(
            f"{source.table.text} deletes rows beside their files (merge-on-read), which Iceberg's "
            "log of changes does not tell; use --mode merge --delete-missing without --incremental,"
            " or a source that copies on write (write.delete.mode, write.update.mode, "
            "write.merge.mode).",
            in_full(error),
        )
    unrecorded = _NOT_RECORDED.search(str(error))
    if unrecorded is not None:
        cause = f"the change data feed was off at version {unrecorded.group(1)}"
    elif kind_of(error) == "file gone":
        cause = "files that held them were vacuumed"
    else:
        cause = said_by(error)
    return _gap(source, after, cause, in_full(error))


def _gap(source: Source, after: str, cause: str, details: str = "") -> TableJobError:
    return TableJobError(
        f"{source.table.text} does not tell all its changes after version {after}: {cause}. Run "
        "the job once with --mode merge --delete-missing in place of --incremental changes, which "
        "scores every row and deletes what the source no longer has; later runs go on from there.",
        details,
    )
