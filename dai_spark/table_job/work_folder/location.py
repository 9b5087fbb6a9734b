"""Where the work folder of a target lies: beside it, for whatever a run keeps there."""

import hashlib
from typing import Any, Optional

from dai_spark.driver.session import is_connect
from dai_spark.host.uri import without_password
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_identity import canonical_path, qualified_name, table_location
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

__all__ = ["created_format", "work_folder"]


def work_folder(spark: Any, job: TableJob, table: TableName) -> Optional[HadoopPath]:
    """Where staged rows, locks and the last run's figures of a target lie; None over Connect.

    Beside a path, hidden by its underscore from whoever reads the folder above.  Files of a catalog
    table are renamed into it, so the folder is beside theirs as well; for tables of a catalog that
    tells no folder it is in the warehouse's.  It is the same before and after the target is
    created, and however the target's name is spelled.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    table : TableName
        The job's target.
    """
    if is_connect(spark):
        return None
    location = _location(spark, table)
    if job.work_folder is not None:
        root = HadoopPath(spark, job.work_folder)
    elif location is not None:
        root = HadoopPath(spark, location).parent / "_dai_spark"
    else:
        root = HadoopPath(spark, str(spark.conf.get("spark.sql.warehouse.dir"))) / "_dai_spark"
    if location is not None:
        name = location.rpartition("/")[2]
    elif table.format == "jdbc":
        # One address may have many tables, and many addresses a table of one name.
        url = job.target_options.get("url", "").partition("?")[0].partition(";")[0]
        digest = hashlib.sha256(without_password(url).encode()).hexdigest()[:8]
        name = f"{job.target_options.get('dbtable', 'table')}_{digest}"
    else:
        name = table.name if table.format else qualified_name(spark, table)
    if job.work_folder is not None:
        # One folder for many targets, of which two may have the same last name.
        whole = location or name
        name += f"-{hashlib.sha256(whole.encode('utf-8')).hexdigest()[:8]}"
    return root / "".join(c if c.isalnum() or c in "-_." else "_" for c in name or "target")


def _location(spark: Any, table: TableName) -> Optional[str]:
    if table.format is not None:
        return canonical_path(spark, table.name) if table.name else None
    return table_location(spark, table)


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
