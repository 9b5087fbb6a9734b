"""KnownRows: what the target holds already, by its key."""

from typing import TYPE_CHECKING

from dai_spark.driver.schema import quoted
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.targets.base import Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["without_known"]


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
    keys = target.table.read(target.spark).select(*[quoted(name) for name in job.key])
    found = rows.join(keys, on=list(job.key), how="left_anti")
    return found.select(*[quoted(name) for name in rows.columns])
