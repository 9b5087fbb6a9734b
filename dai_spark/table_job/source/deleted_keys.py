"""DeletedKeys: what the target still holds and the source no longer does."""

from typing import TYPE_CHECKING, Optional

from dai_spark.driver.schema import quoted
from dai_spark.errors import ColumnError, TableJobError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.targets.base import Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["deleted_keys"]


def deleted_keys(source: Source, target: Target, job: TableJob) -> "Optional[DataFrame]":
    """Return the target's keys that are in no row of the source; None where there are none.

    Runs on the driver, with a Spark job over the key's columns of both tables.

    Parameters
    ----------
    source : Source
    target : Target
    job : TableJob
        Its ``--where`` counts: a row that it no longer lets through is one that went.

    Raises
    ------
    ColumnError
        The source, or the target, lacks a column of the key.
    TableJobError
        The source has no row at all, so that all of the target would be deleted.
    """
    from pyspark.sql import functions as F

    if target.schema is None or not target.schema.fields:
        return None
    there = {name.lower() for name in target.schema.fieldNames()}
    rows = source.rows(job)
    had = {name.lower() for name in rows.columns}
    for table, names in ((target.table, there), (source.table, had)):
        lacking = [name for name in job.key if name.lower() not in names]
        if lacking:
            raise ColumnError(f"Table {table.text} lacks {', '.join(lacking)} of --key.")
    columns = [F.col(quoted(name)) for name in job.key]
    kept = target.table.read(target.spark).select(*columns)
    gone = kept.join(rows.select(*columns), on=list(job.key), how="left_anti")
    if not gone.limit(1).count():
        return None
    if not rows.limit(1).count():
        raise TableJobError(
            f"--delete-missing would delete all rows of {target.table.text}, since "
            f"{source.table.text} has no row that --where lets through; look why it is empty."
        )
    return gone
