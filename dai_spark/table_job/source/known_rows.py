"""KnownRows: what the target holds already, by its key."""

from typing import TYPE_CHECKING

from dai_spark.driver.schema import quoted
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.columns.names import named_like

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["keys_in", "without_known"]


def keys_in(written: "DataFrame", job: TableJob) -> "DataFrame":
    """Return the keys in a table that a run has written, by the source's names.

    Parameters
    ----------
    written : DataFrame
        The target or the quarantine: their formats may refuse characters of a name.
    job : TableJob
    """
    from pyspark.sql import functions as F

    names = {name: named_like(name, written.columns) for name in job.key}
    return written.select(*[F.col(quoted(there)).alias(name) for name, there in names.items()])


def without_known(rows: "DataFrame", target: Target, job: TableJob) -> "DataFrame":
    """Return rows without those whose key the target holds.

    Parameters
    ----------
    rows : DataFrame
    target : Target
    job : TableJob
    """
    if target.schema is None or not target.schema.fields:
        return rows
    keys = keys_in(target.table.read(target.spark), job)
    found = rows.join(keys, on=list(job.key), how="left_anti")
    return found.select(*[quoted(name) for name in rows.columns])
