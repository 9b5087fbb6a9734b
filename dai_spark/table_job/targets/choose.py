"""Which kind of table a target is."""

from typing import Any, Callable, Optional

from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import telling
from dai_spark.errors import OptionError, TableJobError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import FILE_FORMATS, TableName
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.delta import DeltaTarget
from dai_spark.table_job.targets.file_table import RECORDS, FileTableTarget
from dai_spark.table_job.targets.iceberg import IcebergTarget
from dai_spark.table_job.targets.jdbc import JdbcTarget, table_exists
from dai_spark.table_job.targets.other import OtherTarget
from dai_spark.table_job.targets.text_files import TEXT_FORMATS, with_schema
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
    if table.format == "jdbc":
        return _jdbc_target(spark, job, table, before_commit)
    reference = table.reference(spark)
    if reference is not None:
        raise TableJobError(
            f"The target {table.text} is a branch or tag of {reference[0]}, whose commits the job "
            f"cannot tell from the table's own; give the table, {reference[0]}."
        )
    details = table.details(spark)
    if details.get("Type") == "VIEW":
        raise TableJobError(
            f"The target {table.text} is a view, which no rows go into; give a table."
        )
    provider = table.provider(spark) or created_format(spark, job, table)
    if provider in TEXT_FORMATS and table.format is not None and not is_connect(spark):
        table = with_schema(spark, job, table, RECORDS)
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
    if provider == "hive" and schema is not None:
        raise TableJobError(
            f"The target {table.text} is a table of Hive's own (STORED AS ...), which Spark "
            "replaces by another one, without its partitions, storage and place; create it with "
            "USING parquet (or delta), or name one that is not there, which the job creates."
        )
    work = work_folder(spark, job, table)
    if provider in FILE_FORMATS and work is not None:
        return FileTableTarget(spark, job, table, schema, provider, work, before_commit)
    return OtherTarget(spark, job, table, schema, provider)


def _jdbc_target(
    spark: Any, job: TableJob, table: TableName, before_commit: Optional[Callable[[], None]]
) -> Target:
    if is_connect(spark):
        schema = table.schema_if_exists(spark, job.target_options)
        return OtherTarget(spark, job, table, schema, "jdbc")
    with telling(f"The database of {table.text} cannot be asked"):
        is_there = table_exists(spark, job)
    schema = table.schema_if_exists(spark, job.target_options) if is_there else None
    return JdbcTarget(spark, job, table, schema, before_commit)
