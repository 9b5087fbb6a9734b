"""Classic Spark: the files of an Iceberg table's scan, and which of their fields its columns are.

Iceberg has planned the scan for Spark: the files are those of the snapshot that Spark would read,
and they stay as they are.  Columns are found by field id, as Iceberg finds them.  A column by whose
values the table is partitioned is not read: as to Iceberg, the value that the file is listed with
counts.
"""

import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from dai_spark.client.read_files.footers import FileColumn
from dai_spark.client.read_files.iceberg_types import spark_kind
from dai_spark.client.read_files.unproved import Unproved
from dai_spark.driver.file_reader.listed_files import ListedFile, check_there
from dai_spark.driver.file_reader.scan_plan import Scan
from dai_spark.host.uri import without_password

__all__ = ["IcebergFiles", "check_iceberg", "iceberg_files"]

_SCAN = "org.apache.iceberg.spark.source.SparkBatchQueryScan"
_FILE_IO = "org.apache.iceberg.hadoop.HadoopFileIO"
_PLAINTEXT = "org.apache.iceberg.encryption.PlaintextEncryptionManager"
# Others are of tables of Iceberg's own making: its lists of files, of snapshots, of deletes.
_FILE_TASKS = (
    "org.apache.iceberg.BaseFileScanTask",
    "org.apache.iceberg.BaseFileScanTask$SplitScanTask",
)
_OPTIONS = frozenset(
    {
        *("path", "snapshot-id", "as-of-timestamp", "branch", "tag"),
        *("versionasof", "timestampasof"),
        *("vectorization-enabled", "batch-size", "locality"),
        *("split-size", "lookback", "file-open-cost"),
    }
)
# How Iceberg 1.10 and 1.11 describe a scan that leaves no file and no row out.
_UNFILTERED = re.compile(r"(?:\[|, )filters=, (?:runtimeFilters=, )?groupedBy=[^=]*[\])]$")
# Without a scheme a path is of Hadoop's default file system.
_LOCAL = re.compile(r"(?:file:(?://(?=/))?)?(/(?!/).*)", re.DOTALL)
_DEFAULT_PLACE = "fs.defaultFS"
# Where Iceberg may begin to read a file: in front of its magic, or behind.
_FIRST_BYTES = (0, 4)
_MOST_PIECES = 20_000
_WHOLE_NUMBERS = ("int", "bigint", "date", "timestamp", "timestamp_ntz")


class IcebergFiles(NamedTuple):
    """What a scan reads.

    Attributes
    ----------
    columns : list of FileColumn
        Those that are read from files, each once.
    partitions : list of str
        Those whose values files are listed with.
    files : list of ListedFile
    """

    columns: List[FileColumn]
    partitions: List[str]
    files: List[ListedFile]


class _Piece(NamedTuple):
    """A part of a file, as Iceberg would give it to a task of Spark's."""

    start: int
    n_bytes: int
    file: Any


def check_iceberg(relation: Any) -> None:
    """Make sure, before a scan is planned, of how a table is read and where it is.

    Raises
    ------
    Unproved
    """
    names = {str(name).lower() for name in relation.options().keySet()}
    unknown = sorted(names - _OPTIONS)
    if unknown:
        raise Unproved(f"it is read with options that only Spark knows: {', '.join(unknown)}")
    table = relation.table().table()
    io = table.io()
    if str(io.getClass().getName()) != _FILE_IO:
        raise Unproved(f"Iceberg reads its files by {io.getClass().getSimpleName()}")
    if str(table.encryption().getClass().getName()) != _PLAINTEXT:
        raise Unproved("its files may be encrypted")
    _local_path(str(table.location()), _default_place(table))


def iceberg_files(scan: Scan, kinds: Sequence[str]) -> IcebergFiles:
    """Return the files that a scan has planned, and how its columns are found in them.

    Runs on the driver, on classic Spark.

    Parameters
    ----------
    scan : Scan
        As planned.
    kinds : sequence of str
        Spark's types of its columns.

    Raises
    ------
    Unproved
    """
    planned = scan.planned
    if str(planned.getClass().getName()) != _SCAN:
        raise Unproved(f"Iceberg reads it by a {planned.getClass().getSimpleName()}")
    if not _UNFILTERED.search(str(planned.description())):
        raise Unproved("Iceberg leaves some of its rows out")
    groups = planned.toBatch().planInputPartitions()
    if not len(groups):
        return IcebergFiles([], [], [])
    fields = _fields(groups[0])
    columns = {name: _column(name, kind, fields) for name, kind in zip(scan.names, kinds)}
    table = scan.relation.table().table()
    pieces = _pieces(groups)
    specs = {spec_id: _identities(table, spec_id) for spec_id in _spec_ids(pieces)}
    partitions = _partitions(columns, list(specs.values()))
    # What Java calls any value.
    anything = planned.getClass().forName("java.lang.Object")
    place = _default_place(table)
    files = []
    for path, parts in pieces.items():
        _check_whole(path, parts)
        file = parts[0].file
        places = specs[int(file.specId())]
        values = tuple(
            _value(columns[name], file.partition().get(places[columns[name].field_id], anything))
            for name in partitions
        )
        n_bytes = int(file.fileSizeInBytes())
        files.append(ListedFile(_local_path(path, place), n_bytes, None, values))
        check_there(files[-1])
    read = [column for name, column in columns.items() if name not in partitions]
    return IcebergFiles(read, partitions, files)


def _fields(group: Any) -> Dict[str, FileColumn]:
    """The columns that a task of Spark's would read, in Iceberg's types."""
    # Iceberg 1.10 has another name for it.
    schema = group.projection() if "projection" in dir(group) else group.expectedSchema()
    found = {}
    for field in schema.columns():
        name = str(field.name())
        found[name] = FileColumn(
            name,
            str(field.type().toString()),
            has_default=field.initialDefault() is not None,
            field_id=int(field.fieldId()),
            is_required=bool(field.isRequired()),
        )
    return found


def _column(name: str, kind: str, fields: Dict[str, FileColumn]) -> FileColumn:
    if name not in fields:
        raise Unproved(f"column {name} is not among those that Iceberg reads")
    field = fields[name]
    if spark_kind(field.kind) != kind:
        raise Unproved(f"column {name} is {field.kind[:100]} to Iceberg and {kind[:100]} to Spark")
    return field._replace(kind=kind)


def _pieces(groups: Any) -> Dict[str, List[_Piece]]:
    """What tasks of Spark's would read of each file, by its path."""
    found: Dict[str, List[_Piece]] = {}
    n_pieces = 0
    for group in groups:
        tasks = group.taskGroup().tasks().toArray()
        n_pieces += len(tasks)
        if n_pieces > _MOST_PIECES:
            raise Unproved(f"it has more than {_MOST_PIECES:,} files")
        for task in tasks:
            if str(task.getClass().getName()) not in _FILE_TASKS:
                raise Unproved(f"Iceberg reads it by a {task.getClass().getSimpleName()}")
            file = task.file()
            path = str(file.path())
            if not task.deletes().isEmpty():
                raise Unproved(f"rows of {path} are deleted beside it")
            if str(task.residual().toString()) != "true":
                raise Unproved("Iceberg leaves some of its rows out")
            piece = _Piece(int(task.start()), int(task.length()), file)
            found.setdefault(path, []).append(piece)
    return found


def _check_whole(path: str, pieces: List[_Piece]) -> None:
    """Make sure that a file is plain Parquet, and that all of it is read, once."""
    file = pieces[0].file
    if (str(file.format().name()), str(file.content().name())) != ("PARQUET", "DATA"):
        raise Unproved(f"{path} is {file.content().name()} in {file.format().name()}")
    if file.keyMetadata() is not None:
        raise Unproved(f"{path} is encrypted")
    ordered = sorted((piece.start, piece.n_bytes) for piece in pieces)
    end = ordered[0][0]
    is_whole = end in _FIRST_BYTES
    for start, n_bytes in ordered:
        is_whole = is_whole and start == end
        end = start + n_bytes
    if not is_whole or end != int(file.fileSizeInBytes()):
        raise Unproved(f"{path} is not read once and as a whole")


def _spec_ids(pieces: Dict[str, List[_Piece]]) -> List[int]:
    return sorted({int(parts[0].file.specId()) for parts in pieces.values()})


def _identities(table: Any, spec_id: int) -> Dict[Optional[int], int]:
    """The fields whose values files of a spec are listed with: by their ids, where each is."""
    fields = table.specs().get(spec_id).fields()
    return {
        int(field.sourceId()): place
        for place, field in enumerate(fields)
        if str(field.transform().toString()) == "identity"
    }


def _partitions(columns: Dict[str, FileColumn], specs: List[Dict[Optional[int], int]]) -> List[str]:
    """The columns that all files are listed with values of, and none holds to be read."""
    found = []
    for name, column in columns.items():
        listed = [column.field_id in spec for spec in specs]
        if any(listed) != all(listed):
            raise Unproved(f"some of its files are listed by column {name}, and some are not")
        if all(listed):
            found.append(name)
    return found


def _value(column: FileColumn, value: Any) -> Any:
    """A value that a file is listed with, as JSON has it; days and microseconds for times."""
    if value is None:
        return None
    if column.kind in _WHOLE_NUMBERS:
        return int(value)
    if column.kind == "boolean":
        return bool(value)
    if column.kind == "string":
        return str(value)
    if column.kind.startswith("decimal"):
        return format(value, "f")
    # Of a NaN or a zero there are several, and of bytes Iceberg keeps none as they were.
    raise Unproved(f"column {column.name}, by which files are listed, is {column.kind}")


def _default_place(table: Any) -> str:
    return str(table.io().getConf().get(_DEFAULT_PLACE))


def _local_path(location: str, default_place: str) -> str:
    match = _LOCAL.fullmatch(location)
    is_elsewhere = not location.startswith("file:") and not default_place.startswith("file:")
    if match is None or is_elsewhere:
        place = without_password(location if match is None else default_place) or "nowhere"
        raise Unproved(f"its files are not in the local file system: {place}")
    return match.group(1)
