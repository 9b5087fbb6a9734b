"""A table's identity: one text for one table, however its name is spelled."""

import os
from typing import Any, Mapping, Optional

from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.session import is_connect
from dai_spark.host.uri import without_password
from dai_spark.table_job.table_name import FILE_FORMATS, TableName

__all__ = ["canonical_path", "qualified_name", "table_identity", "table_location"]

# Formats whose tables are what lies in a folder, whatever a catalog calls it.
_IN_A_FOLDER = (*FILE_FORMATS, "delta")
# Spark's own catalog writes names in lower case; others tell `T` from `t`.
_SESSION_CATALOG = "spark_catalog"
# Options of a source without a name that say which table it is.
_NAMING = ("url", "dbtable", "query", "path")


def table_identity(
    spark: Any, table: TableName, options: Optional[Mapping[str, str]] = None
) -> str:
    """Return what is the same for all spellings of a table, and for no other table.

    Runs on the driver; reads metadata.  Of Delta tables and files it is the folder, so that a
    catalog's table and its path are one; of other catalog tables the whole name.  It is the same
    before a table is created and when it is dropped and created again.

    Parameters
    ----------
    spark : SparkSession
    table : TableName
    options : mapping of str to str, optional
        The reader's, which say which table it is where the name does not (JDBC).
    """
    if table.format is not None:
        if table.name:
            return f"folder {canonical_path(spark, table.name)}"
        lower = {name.lower(): value for name, value in (options or {}).items()}
        said = [f"{name}={without_password(lower[name])}" for name in _NAMING if name in lower]
        return " ".join([table.format, *said])
    location = table_location(spark, table)
    if location is not None:
        return f"folder {location}"
    return f"table {qualified_name(spark, table)}"


def table_location(spark: Any, table: TableName) -> Optional[str]:
    """Return the folder of a Delta table or of files in a catalog, also before it is created.

    None for a table of another kind, for a view, and where the catalog does not tell.

    Parameters
    ----------
    spark : SparkSession
    table : TableName
        A catalog table.
    """
    details = table.details(spark)
    if details:
        is_folder = details.get("Provider", "").lower() in _IN_A_FOLDER
        location = details.get("Location") if is_folder else None
        return None if location is None else canonical_path(spark, location)
    catalog, *namespace, name = _parts(spark, table)
    if catalog != _SESSION_CATALOG or len(namespace) != 1:
        return None
    try:
        above = spark.catalog.getDatabase(namespace[0]).locationUri
    except Exception:  # noqa: BLE001 - a database that is not there, or tells of no folder
        return None
    return canonical_path(spark, f"{above.rstrip('/')}/{name}") if above else None


def qualified_name(spark: Any, table: TableName) -> str:
    """Return a catalog table's whole name: catalog, namespace, table.

    Parameters
    ----------
    spark : SparkSession
    table : TableName
        A catalog table.
    """
    return ".".join(_parts(spark, table))


def canonical_path(spark: Any, path: str) -> str:
    """Return a path with its scheme, without ``.``, ``..``, links of this host and a last slash.

    Parameters
    ----------
    spark : SparkSession
    path : str
        A path of the default file system, or a URI.
    """
    if is_connect(spark):
        scheme, rest = _split(path)
        return f"{scheme}{os.path.normpath(rest)}"
    try:
        whole = HadoopFile(spark, path).uri
    except Exception:  # noqa: BLE001 - a scheme that Spark has no file system for
        whole = path
    scheme, rest = _split(whole)
    if scheme == "file:":
        return f"{scheme}{os.path.realpath(rest)}"
    return f"{scheme}{os.path.normpath(rest)}"


def _split(path: str) -> "tuple[str, str]":
    """The scheme (with the host), and the path below it; Hadoop writes `file:/a` for `file:///a`."""
    scheme, colon, rest = path.partition(":")
    if not colon or "/" in scheme:
        return "file:", path
    if not rest.startswith("//"):
        return f"{scheme}:", rest
    host, _, below = rest[2:].partition("/")
    return (f"{scheme}://{host}" if host else f"{scheme}:"), f"/{below}"


def _parts(spark: Any, table: TableName) -> "list[str]":
    parts = _unquoted(table.name)
    current = str(spark.catalog.currentCatalog())
    if len(parts) == 1:
        parts = [*_unquoted(str(spark.catalog.currentDatabase())), *parts]
    if len(parts) < 3 and not _is_catalog(spark, parts[0]):
        parts = [current, *parts]
    if parts[0].lower() == _SESSION_CATALOG:
        return [part.lower() for part in parts]
    return parts


def _is_catalog(spark: Any, name: str) -> bool:
    """Whether the first of two parts names a catalog, as Spark decides it."""
    return name.lower() == _SESSION_CATALOG or (
        spark.conf.get(f"spark.sql.catalog.{name}", None) is not None
    )


def _unquoted(name: str) -> "list[str]":
    """The parts of a name: dots between backticks are characters."""
    parts, quoted, part = [], False, ""
    for sign in name:
        if sign == "`":
            quoted = not quoted
        elif sign == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += sign
    return [*parts, part]
