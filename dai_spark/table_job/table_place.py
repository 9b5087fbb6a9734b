"""Where a table lies, whatever it is called: absolute paths, and two names of one table."""

import re
from dataclasses import replace
from typing import Any, Mapping, Optional

from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.session import is_connect
from dai_spark.errors import TableJobError
from dai_spark.table_job.table_identity import table_identity
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


def check_apart(
    spark: Any,
    source: str,
    target: str,
    what: str = "Source and target",
    source_options: Optional[Mapping[str, str]] = None,
    target_options: Optional[Mapping[str, str]] = None,
) -> None:
    """Refuse two names that stand for one table, or a source that lies in the target's folder.

    Parameters
    ----------
    spark : SparkSession
    source, target : str
        As the job names them.
    what : str
        How a message names the two.
    source_options, target_options : mapping of str to str, optional
        See `table_identity`.

    Raises
    ------
    TableJobError
    """
    one, other = (
        table_identity(spark, _without_version(TableName.of(text)), options)
        for text, options in ((source, source_options), (target, target_options))
    )
    if one == other:
        spelt = "" if source == target else f" and {target}"
        raise TableJobError(f"{what} are one table, {source}{spelt}; give each a table of its own.")
    if one.startswith(f"{other}/"):
        raise TableJobError(
            f"{what}: {source} lies in the target's folder ({target}), which a run may replace; "
            "give each a folder of its own."
        )


def _without_version(table: TableName) -> TableName:
    return replace(table, name=_VERSION.sub("", table.name)) if _is_path(table) else table


def _is_path(table: TableName) -> bool:
    if table.format is None or not table.name:
        return False
    # Iceberg's reader takes names of a catalog, too.
    return table.format in _OF_PATHS or (table.format == "iceberg" and "/" in table.name)
