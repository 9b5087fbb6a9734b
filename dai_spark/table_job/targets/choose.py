"""Which kind of table a target is."""

from typing import Any, Callable, Optional

from dai_spark.errors import OptionError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import FILE_FORMATS, TableName
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.delta import DeltaTarget
from dai_spark.table_job.targets.file_table import FileTableTarget
from dai_spark.table_job.targets.iceberg import IcebergTarget
from dai_spark.table_job.targets.other import OtherTarget
from dai_spark.table_job.work_folder.location import created_format, work_folder

__all__ = ["target_of"]


def target_of(
    spark: Any, job: TableJob, before_commit: Optional[Callable[[], None]] = None
) -> Target:
    """Return the target of a job, as it is now.

    Runs on the driver; reads the table's metadata.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    before_commit : callable, optional
        See `Target`.

    Raises
    ------
    OptionError, TableJobError
    """
    table = TableName.of(job.target)
    table.renew(spark)
    provider = table.provider(spark) or created_format(spark, job, table)
    schema = table.schema_if_exists(spark)
    if provider == "delta":
        return DeltaTarget(spark, job, table, schema, before_commit)
    if provider == "iceberg":
        if table.format is not None:
            raise OptionError(
                f"{table.text}: Iceberg commits through a catalog; give the target by its name in "
                "one (spark.sql.catalog.NAME)."
            )
        return IcebergTarget(spark, job, table, schema, before_commit)
    work = work_folder(spark, job, table)
    if provider in FILE_FORMATS and work is not None:
        return FileTableTarget(spark, job, table, schema, provider, work, before_commit)
    return OtherTarget(spark, job, table, schema, provider)
