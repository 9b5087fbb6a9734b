"""Which kind of table a target is."""

from typing import Any, Optional

from dai_spark.driver.session import is_connect
from dai_spark.errors import OptionError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import FILE_FORMATS, TableName
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.delta import DeltaTarget
from dai_spark.table_job.targets.file_table import FilesTarget
from dai_spark.table_job.targets.hadoop_path import Folder
from dai_spark.table_job.targets.iceberg import IcebergTarget
from dai_spark.table_job.targets.other import OtherTarget

__all__ = ["target_of", "work_folder"]


def target_of(spark: Any, job: TableJob) -> Target:
    """The target of a job.

    Runs on the driver; reads the table's metadata.

    Raises
    ------
    OptionError, TableJobError
    """
    table = TableName.of(job.target)
    table.renew(spark)
    provider = table.provider(spark) or _new_provider(spark, job, table)
    schema = table.schema_if_exists(spark)
    if provider == "delta":
        return DeltaTarget(spark, job, table, schema)
    if provider == "iceberg":
        if table.format is not None:
            raise OptionError(
                f"{table.text}: Iceberg commits through a catalog; give the target by its name in "
                "one (spark.sql.catalog.NAME)."
            )
        return IcebergTarget(spark, job, table, schema)
    work = work_folder(spark, job, table)
    if provider in FILE_FORMATS and work is not None:
        return FilesTarget(spark, job, table, schema, provider, work)
    return OtherTarget(spark, job, table, schema, provider)


def _new_provider(spark: Any, job: TableJob, table: TableName) -> str:
    """Format of a catalog table that is to be created."""
    if job.target_format is not None:
        return job.target_format.lower()
    catalog = table.name.partition(".")[0].strip("`") if table.name.count(".") > 1 else ""
    catalog = catalog or str(spark.catalog.currentCatalog())
    known = str(spark.conf.get(f"spark.sql.catalog.{catalog}", ""))
    # Iceberg's own catalogs hold nothing else; its session catalog creates what Spark would.
    if "iceberg" in known and not known.endswith("SparkSessionCatalog"):
        return "iceberg"
    return str(spark.conf.get("spark.sql.sources.default", "parquet"))


def work_folder(spark: Any, job: TableJob, table: TableName) -> Optional[Folder]:
    """Where staged rows, locks and the last run's figures of a target lie; None over Connect.

    Beside a path, hidden by its underscore from whoever reads the folder above.  Files of a catalog
    table are renamed into it, so the folder is beside theirs as well; for other tables of a catalog
    it is in the warehouse's.  It is the same before and after the target is created.
    """
    if is_connect(spark):
        return None
    if job.work_folder is not None:
        root = Folder(spark, job.work_folder)
    elif table.format is not None and table.name:
        root = Folder(spark, table.name).parent / "_dai_spark"
    else:
        root = Folder(spark, _catalog_folder(spark, job, table)) / "_dai_spark"
    name = table.name.rstrip("/").rpartition("/")[2] if table.format else table.name
    return root / "".join(c if c.isalnum() or c in "-_." else "_" for c in name or "target")


def _catalog_folder(spark: Any, job: TableJob, table: TableName) -> str:
    provider = table.provider(spark) or _new_provider(spark, job, table)
    if provider in FILE_FORMATS:
        found = table.details(spark).get("Location")
        if found is not None:
            return found.rstrip("/").rpartition("/")[0]
        database = table.name.rpartition(".")[0] or str(spark.catalog.currentDatabase())
        return str(spark.catalog.getDatabase(database).locationUri)
    return str(spark.conf.get("spark.sql.warehouse.dir"))
