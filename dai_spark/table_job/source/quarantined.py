"""Quarantined: rows of the source that lie in the quarantine, to be scored once more."""

from typing import TYPE_CHECKING, Any, Optional

from dai_spark.driver.schema import quoted
from dai_spark.errors import TableJobError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.known_rows import without_known
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.base import Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SETTLING", "quarantined"]

# Formats whose rows can be deleted, so that they leave the quarantine.
SETTLING = ("delta", "iceberg")


def quarantined(spark: Any, source: Source, target: Target, job: TableJob) -> "Optional[DataFrame]":
    """Return the source's rows whose key lies in the quarantine; None where there is no quarantine.

    Runs on the driver; reads metadata.

    Parameters
    ----------
    spark : SparkSession
    source : Source
    target : Target
    job : TableJob

    Raises
    ------
    TableJobError
        The quarantine's format keeps its rows for ever.
    """
    assert job.quarantine is not None
    table = TableName.of(job.quarantine)
    if table.schema_if_exists(spark) is None:
        return None
    if table.provider(spark) not in SETTLING:
        raise TableJobError(
            f"The quarantine {table.text} is made of files, which rows cannot leave; keep it as a "
            "Delta or Iceberg table for --incremental quarantine, or use --incremental missing "
            "with a new pipeline."
        )
    keys = table.read(spark).select(*[quoted(name) for name in job.key])
    rows = source.rows(job)
    found = rows.join(keys, on=list(job.key), how="left_semi")
    found = found.select(*[quoted(name) for name in rows.columns])
    return without_known(found, target, job) if job.mode == "append" else found
