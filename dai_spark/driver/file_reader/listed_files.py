"""Classic Spark: the files of a scan as Spark has listed them, with their partitions' values."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from dai_spark.client.read_files.unproved import Unproved
from dai_spark.driver.file_reader.scan_plan import Scan
from dai_spark.host.uri import without_password

__all__ = [
    "ListedFile",
    "check_place",
    "check_relation",
    "check_there",
    "columns_metadata",
    "listed_files",
    "partition_names",
]

_PARQUET = "org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat"
_DELTA = "org.apache.spark.sql.delta.DeltaParquetFileFormat"
# What lists the files of each: others (of a stream, of a table's changes) add columns of their own.
_INDEXES = {
    _PARQUET: ("InMemoryFileIndex", "CatalogFileIndex"),
    _DELTA: ("TahoeLogFileIndex", "PreparedDeltaFileIndex"),
}
_OPTIONS = frozenset(
    {
        *("path", "paths", "basepath", "serialization.format", "mergeschema"),
        *("recursivefilelookup", "pathglobfilter", "modifiedbefore", "modifiedafter"),
        *("versionasof", "timestampasof"),
    }
)
# How Hadoop shows the state of a file; Spark asks for it in no cheaper way from Python.
_STATUS = re.compile(
    r"FileStatusWithMetadata\(\w*FileStatus\{path=file:(?://)?(/.*?); isDirectory=false; "
    r"length=(\d+); replication=\d+; blocksize=\d+; modification_time=(\d+); .*\},"
    r"(?:Map|HashMap)\((.*)\)\)"
)
# What Delta tells of a file for its own readers: numbers of rows, which no column has.
_NUMBERS = re.compile(r"(?:(?:base_row_id|default_row_commit_version) -> \d+(?:, )?)*")
_MOST_FILES = 20_000
_MOST_FOLDERS = 2_000
# Types of values in the names of folders, by the simple name of Spark's type.
_PLAIN = ("tinyint", "smallint", "int", "bigint", "boolean", "float", "double", "date")
_TIMES = ("timestamp", "timestamp_ntz")


class ListedFile(NamedTuple):
    """A file of a table.

    Attributes
    ----------
    path : str
    n_bytes : int
        As it was when Spark listed it.
    changed_ms : int or None
        The same; None where Spark knows it from a log, whose files stay as they are and may be
        copies.
    values : tuple of object
        Of its partition's columns, as JSON has them.
    """

    path: str
    n_bytes: int
    changed_ms: Optional[int]
    values: Tuple[Any, ...]


def check_place(relation: Any) -> None:
    """Make sure, before any file is listed, that a relation's files are in the local file system.

    Raises
    ------
    Unproved
    """
    roots = str(relation.location().rootPaths().mkString("\n")).split("\n")
    elsewhere = [root for root in roots if not root.startswith("file:/")]
    if elsewhere:
        place = without_password(elsewhere[0]) or "nowhere"
        raise Unproved(f"its files are not in the local file system: {place}")


def check_relation(relation: Any) -> None:
    """Make sure that a relation is plain Parquet, or Delta's, read with options that are known.

    Raises
    ------
    Unproved
    """
    kind = str(relation.fileFormat().getClass().getName())
    if kind == _DELTA:
        mapping = str(relation.fileFormat().columnMappingMode().name())
        if mapping != "none":
            raise Unproved(f"Delta maps its columns by {mapping}")
    elif kind != _PARQUET:
        raise Unproved(f"its files are not plain Parquet to Spark ({kind.rpartition('.')[2]})")
    index = str(relation.location().getClass().getSimpleName())
    if index not in _INDEXES[kind]:
        raise Unproved(f"its files are listed by a {index}")
    if relation.bucketSpec().isDefined():
        raise Unproved("it is bucketed")
    names = str(relation.options().keySet().mkString("\n")).lower().split("\n")
    unknown = sorted(set(names) - _OPTIONS - {""})
    if unknown:
        raise Unproved(f"it is read with options that only Spark knows: {', '.join(unknown)}")
    both = {name.lower() for name in partition_names(relation)} & {
        str(field["name"]).lower() for field in _fields(relation.dataSchema())
    }
    # Delta tells all columns as the files', to keep their order, and has partitions in its log.
    if both and kind != _DELTA:
        raise Unproved(f"files and folders both have column {', '.join(sorted(both))}")


def partition_names(relation: Any) -> List[str]:
    """The columns whose values are in the names of folders."""
    return [str(field["name"]) for field in _fields(relation.partitionSchema())]


def columns_metadata(relation: Any) -> Dict[str, Dict[str, Any]]:
    """What Spark has noted of each of the files' columns."""
    return {str(field["name"]): field["metadata"] for field in _fields(relation.dataSchema())}


def _fields(schema: Any) -> List[Dict[str, Any]]:
    fields: List[Dict[str, Any]] = json.loads(schema.json())["fields"]
    return fields


def listed_files(spark: Any, scan: Scan) -> List[ListedFile]:
    """Return the files that Spark would read, in its order, as they are still there.

    Runs on the driver, on classic Spark; Spark lists them unless it has.

    Raises
    ------
    Unproved
        They are elsewhere than in the local file system, too many, or others by now.
    """
    index = scan.relation.location()
    nothing = getattr(getattr(spark._jvm, "scala.collection.immutable.Nil$"), "MODULE$")
    folders = index.listFiles(nothing, nothing)
    n_folders = folders.size()
    if n_folders > _MOST_FOLDERS:
        raise Unproved(f"it has {n_folders:,} partitions, more than {_MOST_FOLDERS:,}")
    kinds = _partition_types(scan.relation)
    is_logged = str(scan.relation.fileFormat().getClass().getName()) == _DELTA
    found: List[ListedFile] = []
    for i in range(n_folders):
        folder = folders.apply(i)
        values = tuple(_value(folder.values(), k, kind) for k, kind in enumerate(kinds))
        found += _files_of(folder.files(), values, is_logged)
        if len(found) > _MOST_FILES:
            raise Unproved(f"it has more than {_MOST_FILES:,} files")
    for file in found:
        check_there(file)
    return found


def _partition_types(relation: Any) -> List[Tuple[str, Any]]:
    schema = relation.partitionSchema()
    types = [schema.apply(k).dataType() for k in range(schema.size())]
    return [(str(kind.simpleString()), kind) for kind in types]


def _value(row: Any, k: int, kind: Tuple[str, Any]) -> Any:
    """A value of Spark's row as JSON has it; days and microseconds for dates and times."""
    name, spark_type = kind
    if row.isNullAt(k):
        return None
    value = row.get(k, spark_type)
    if name in _PLAIN or name in _TIMES:
        return value
    if name == "string":
        return str(value.toString())
    if name.startswith("decimal"):
        return format(value.toJavaBigDecimal(), "f")
    raise Unproved(f"a partition column is {name}")


def _files_of(files: Any, values: Tuple[Any, ...], is_logged: bool) -> Iterator[ListedFile]:
    n_files = files.size()
    lines = str(files.mkString("\n")).split("\n") if n_files else []
    if len(lines) != n_files:
        raise Unproved("the name of a file has a line break")
    for line in lines:
        match = _STATUS.fullmatch(line)
        if match is None:
            raise Unproved(f"its files are not in the local file system: {_path_in(line)}")
        path, n_bytes, changed_ms, told = match.groups()
        if not _NUMBERS.fullmatch(told):
            raise Unproved(f"Spark knows more of {path} than is in it: {told[:100]}")
        yield ListedFile(path, int(n_bytes), None if is_logged else int(changed_ms), values)


def _path_in(status: str) -> str:
    match = re.search(r"path=([^;]*);", status)
    return match.group(1) if match is not None else status[:200]


def check_there(file: ListedFile) -> None:
    """Make sure that a file is here, as it was when it was listed.

    Raises
    ------
    Unproved
    """
    try:
        status = Path(file.path).stat()
    except OSError as error:
        raise Unproved(f"{file.path} cannot be read here ({error.strerror})") from None
    is_other = file.changed_ms not in (None, status.st_mtime_ns // 10**6)
    if is_other or status.st_size != file.n_bytes:
        raise Unproved(f"{file.path} has changed since Spark has listed it")
