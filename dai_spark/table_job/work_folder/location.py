"""Where the work folder of a target lies: beside it, for whatever a run keeps there."""

import hashlib
from dataclasses import replace
from typing import Any, Optional

from dai_spark.driver.session import is_connect
from dai_spark.host.uri import without_password
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import FILE_FORMATS, TableName
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

__all__ = ["created_format", "work_folder"]


def work_folder(spark: Any, job: TableJob, table: TableName) -> Optional[HadoopPath]:
    """Where staged rows, locks and the last run's figures of a target lie; None over Connect.

    Beside a path, hidden by its underscore from whoever reads the folder above.  Files of a catalog
    table are renamed into it, so the folder is beside theirs as well; for other tables of a catalog
    it is in the warehouse's.  It is the same before and after the target is created.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    table : TableName
        The job's target.
    """
    if is_connect(spark):
        return None
    if job.work_folder is not None:
        root = HadoopPath(spark, job.work_folder)
    elif table.format is not None and table.name:
        root = HadoopPath(spark, table.name).parent / "_dai_spark"
    else:
        root = HadoopPath(spark, _catalog_folder(spark, job, table)) / "_dai_spark"
    if table.format == "jdbc":
        # One address may have many tables, and many addresses a table of one name.
        url = job.target_options.get("url", "").partition("?")[0].partition(";")[0]
        digest = hashlib.sha256(without_password(url).encode()).hexdigest()[:8]
        table = replace(table, name=f"{job.target_options.get('dbtable', 'table')}_{digest}")
    name = table.name.rstrip("/").rpartition("/")[2] if table.format else table.name
    return root / "".join(c if c.isalnum() or c in "-_." else "_" for c in name or "target")


def created_format(spark: Any, job: TableJob, table: TableName) -> str:
    """Format of a catalog table that is to be created.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    table : TableName
    """
    if job.target_format is not None:
        return job.target_format.lower()
    catalog = table.name.partition(".")[0].strip("`") if table.name.count(".") > 1 else ""
    catalog = catalog or str(spark.catalog.currentCatalog())
    known = str(spark.conf.get(f"spark.sql.catalog.{catalog}", ""))
    # Iceberg's own catalogs hold nothing else; its session catalog creates what Spark would.
    if "iceberg" in known and not known.endswith("SparkSessionCatalog"):
        return "iceberg"
    return str(spark.conf.get("spark.sql.sources.default", "parquet"))


def _catalog_folder(spark: Any, job: TableJob, table: TableName) -> str:
    provider = table.provider(spark) or created_format(spark, job, table)
    if provider in FILE_FORMATS:
        found = table.details(spark).get("Location")
        if found is not None:
            return found.rstrip("/").rpartition("/")[0]
        database = table.name.rpartition(".")[0] or str(spark.catalog.currentDatabase())
        return str(spark.catalog.getDatabase(database).locationUri)
    return str(spark.conf.get("spark.sql.warehouse.dir"))
