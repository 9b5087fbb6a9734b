"""Where a table lies, whatever it is called: absolute paths, and two names of one table."""

import os
import re
from typing import Any, Optional

from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.session import is_connect
from dai_spark.errors import TableJobError
from dai_spark.table_job.table_name import FILE_FORMATS, TableName

__all__ = ["absolute", "check_apart"]

# Formats whose names behind the colon are paths of Hadoop's file systems.
_OF_PATHS = (*FILE_FORMATS, "delta", "text", "binaryfile", "xml")
_VERSION = re.compile(r"@v?[0-9]+$")


def absolute(spark: Any, text: str) -> str:
    """``FORMAT:PATH`` with its path from the root, without ``.``, ``..`` and slashes at the end.

    Spark's readers complete a path by the driver's folder, and its SQL by other rules, so they are
    given none to complete.  A name of a catalog stays as it is, and over Spark Connect, whose
    client does not know the server's folder, a path too.

    Parameters
    ----------
    spark : SparkSession
    text : str
        As the user wrote it.
    """
    table = TableName.of(text)
    if not _is_path(table) or is_connect(spark):
        return text
    try:
        file = HadoopFile(spark, table.name)
        uri = file.uri
        is_default = HadoopFile(spark, file.path).uri == uri
    except Exception:  # noqa: BLE001 - who reads the table says in his own words why it cannot be
        return text
    # A path of the default file system needs no scheme.
    path = file.path if is_default else uri
    return f"{table.format}:{path.rstrip('/') or '/'}"


def check_apart(spark: Any, source: str, target: str, what: str = "Source and target") -> None:
    """Refuse two names that stand for one table, or a source that lies in the target's folder.

    Parameters
    ----------
    spark : SparkSession
    source, target : str
        As the job names them.
    what : str
        How a message names the two.

    Raises
    ------
    TableJobError
    """
    one, other = _place(spark, TableName.of(source)), _place(spark, TableName.of(target))
    if one == other:
        spelt = "" if source == target else f" and {target}"
        raise TableJobError(f"{what} are one table, {source}{spelt}; give each a table of its own.")
    if one.startswith(f"{other}/"):
        raise TableJobError(
            f"{what}: {source} lies in the target's folder ({target}), which a run may replace; "
            "give each a folder of its own."
        )


def _is_path(table: TableName) -> bool:
    if table.format is None or not table.name:
        return False
    # Iceberg's reader takes names of a catalog, too.
    return table.format in _OF_PATHS or (table.format == "iceberg" and "/" in table.name)


def _place(spark: Any, table: TableName) -> str:
    """Where the table's files lie; what it is called where nothing tells that."""
    found: Optional[str] = None
    if _is_path(table):
        found = _VERSION.sub("", table.name)
    elif table.format is None:
        found = table.details(spark).get("Location")
    if found is None or is_connect(spark):
        return f"{table.format}:{table.name}".rstrip("/").lower()
    try:
        file = HadoopFile(spark, found)
        uri = file.uri.rstrip("/")
    except Exception:  # noqa: BLE001 - who reads the table says in his own words why it cannot be
        return found.rstrip("/")
    # Links of this machine, which Hadoop takes for other folders.
    return os.path.realpath(file.path) if uri.startswith("file:") else uri
