"""Footers: what a Parquet file says of itself, and why Spark must read it where it must."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import pyarrow as pa
import pyarrow.parquet as pq

from dai_spark.client.read_files.file_columns import FileColumns
from dai_spark.client.read_files.file_types import CALENDAR_KINDS, are_alike, logical_of
from dai_spark.client.read_files.iceberg_types import are_alike_to_iceberg
from dai_spark.client.read_files.unproved import Unproved

__all__ = [
    "FileColumn",
    "FileFacts",
    "ReadSettings",
    "check_pyarrow",
    "look_at_files",
    "pyarrow_version",
]

_MAGIC = b"PAR1"
# A footer's length, and the magic behind it.
_END_BYTES = 8
_DIGEST_CHARS = 16
# Those that every pyarrow has and reads as Spark does: what LZ4 means differs between writers.
_CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD")
_N_THREADS = 8
# The oldest whose readings are compared with Spark's; 8 and older lack what reading needs.
_LEAST_PYARROW = 11
_SPARK_VERSION = b"org.apache.spark.version"


class FileColumn(NamedTuple):
    """A column that is read from files.

    Attributes
    ----------
    name : str
        As the table has it.
    kind : str
        Spark's type of it, as its `simpleString` has it.
    has_default : bool
        Rows of a file without the column have a default value that is not null.
    field_id : int or None
        Iceberg's number of it, by which it is found in a file; None where its name counts.
    is_required : bool
        A file must have it, and has no nulls in it.
    """

    name: str
    kind: str
    has_default: bool = False
    field_id: Optional[int] = None
    is_required: bool = False


class ReadSettings(NamedTuple):
    """What of Spark's settings changes what its reader gives.

    Attributes
    ----------
    is_case_sensitive : bool
    dates, int96 : str
        ``spark.sql.parquet.datetimeRebaseModeInRead`` and its like for INT96.
    converts_int96 : bool
        ``spark.sql.parquet.int96TimestampConversion``.
    """

    is_case_sensitive: bool
    dates: str
    int96: str
    converts_int96: bool


class FileFacts(NamedTuple):
    """What tells one file from another, and what is in it.

    Attributes
    ----------
    path : str
    n_bytes : int
    changed_ns : int
        Time of change.
    footer : str
        Digest of the footer.
    row_groups : tuple of (int, int)
        Rows and bytes of each.
    """

    path: str
    n_bytes: int
    changed_ns: int
    footer: str
    row_groups: Tuple[Tuple[int, int], ...]


def pyarrow_version() -> int:
    """The first number of this process' pyarrow."""
    return int(pa.__version__.partition(".")[0])


def check_pyarrow() -> None:
    """Make sure that the pyarrow of this process is one whose readings are known.

    Raises
    ------
    Unproved
    """
    if pyarrow_version() < _LEAST_PYARROW:
        raise Unproved(
            f"pyarrow {pa.__version__} is here, and that wants {_LEAST_PYARROW} or later"
        )


def look_at_files(
    paths: Sequence[str], columns: Sequence[FileColumn], settings: ReadSettings
) -> List[FileFacts]:
    """Read the footers of files, and make sure that Arrow reads their columns as Spark does.

    Runs on the driver, or in one task where the driver does not see the files.

    Parameters
    ----------
    paths : sequence of str
        Of this host.
    columns : sequence of FileColumn
    settings : ReadSettings

    Raises
    ------
    Unproved
    """
    check_pyarrow()
    with ThreadPoolExecutor(_N_THREADS) as threads:
        return list(threads.map(lambda path: _look_at(path, columns, settings), paths))


def _look_at(path: str, columns: Sequence[FileColumn], settings: ReadSettings) -> FileFacts:
    try:
        status = Path(path).stat()
        footer = _footer(path, status.st_size)
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            _check_columns(path, file, len(footer) - _END_BYTES, columns, settings)
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            sizes = tuple((group.num_rows, group.total_byte_size) for group in groups)
    except (OSError, pa.ArrowException) as error:
        raise Unproved(f"{path} cannot be looked at here ({_told(error)})") from None
    digest = hashlib.sha256(footer).hexdigest()[:_DIGEST_CHARS]
    return FileFacts(path, status.st_size, status.st_mtime_ns, digest, sizes)


def _told(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().partition("\n")[0][:200]


def _footer(path: str, n_bytes: int) -> bytes:
    """The end of a file: its footer, the footer's length, and the magic."""
    with Path(path).open("rb") as file:
        file.seek(max(n_bytes - _END_BYTES, 0))
        end = file.read()
        if len(end) != _END_BYTES or end[4:] != _MAGIC:
            # An encrypted footer has a magic of its own.
            raise Unproved(f"{path} is no Parquet file with a footer that anybody can read")
        file.seek(max(n_bytes - _END_BYTES - int.from_bytes(end[:4], "little"), 0))
        return file.read()


def _check_columns(
    path: str,
    file: Any,
    footer_bytes: int,
    columns: Sequence[FileColumn],
    settings: ReadSettings,
) -> None:
    metadata = file.metadata
    if metadata.serialized_size != footer_bytes:
        # What is behind the footer proper is the signature of a file with encrypted columns.
        raise Unproved(f"{path} has a footer that is signed, as those of encrypted columns are")
    schema = file.schema_arrow
    leaves = _first_leaves(schema)
    of_file = FileColumns(schema, settings.is_case_sensitive)
    written = metadata.metadata or {}
    found: List[int] = []
    for column in columns:
        name = of_file.of(column.name, column.field_id)
        if name is None:
            if column.has_default:
                raise Unproved(f"column {column.name} has a default, and {path} is without it")
            if column.is_required:
                raise Unproved(f"column {column.name} is required, and {path} is without it")
            continue
        leaf, arrow = leaves[name], schema.field(name).type
        if pa.types.is_nested(arrow):
            raise Unproved(f"column {column.name} is {column.kind} ({path})")
        described = file.schema.column(leaf)
        physical, logical = described.physical_type, logical_of(described)
        alike = are_alike if column.field_id is None else are_alike_to_iceberg
        if described.max_repetition_level or not alike(column.kind, physical, logical, arrow):
            raise Unproved(
                f"column {column.name} is {column.kind} to Spark and {physical} ({logical}; "
                f"{arrow} to Arrow) in {path}"
            )
        if column.field_id is None:
            _check_calendar(path, column, physical == "INT96", written, settings)
        found.append(leaf)
    _check_codecs(path, metadata, found)


def _first_leaves(schema: pa.Schema) -> Dict[str, int]:
    """The number of the first leaf of each column; a leaf is what the file has a chunk of."""
    first, n_leaves = {}, 0
    for field in schema:
        first[field.name] = n_leaves
        n_leaves += _n_leaves(field.type)
    return first


def _n_leaves(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if not pa.types.is_nested(kind):
        return 1
    return sum(_n_leaves(kind.field(i).type) for i in range(kind.num_fields))


def _check_calendar(
    path: str,
    column: FileColumn,
    is_int96: bool,
    written: Dict[bytes, bytes],
    settings: ReadSettings,
) -> None:
    """Refuse what Spark reckons from one calendar to another; see the table of `file_types`."""
    if column.kind not in CALENDAR_KINDS:
        return
    if is_int96 and settings.converts_int96:
        raise Unproved("spark.sql.parquet.int96TimestampConversion is on")
    version = written.get(_SPARK_VERSION)
    since, legacy, mode = b"3.0.0", b"org.apache.spark.legacyDateTime", settings.dates
    if is_int96:
        since, legacy, mode = b"3.1.0", b"org.apache.spark.legacyINT96", settings.int96
    if version is None:
        if mode != "CORRECTED":
            name = f"spark.sql.parquet.{'int96' if is_int96 else 'datetime'}RebaseModeInRead"
            raise Unproved(f"{name} is {mode} and {path} is not of Spark's, so that old times of "
                           f"column {column.name} may be another calendar's")  # fmt: skip
    # Spark compares the texts, too.
    elif version < since or legacy in written:
        raise Unproved(f"column {column.name} in {path} is of another calendar's time")


def _check_codecs(path: str, metadata: Any, leaves: Sequence[int]) -> None:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for leaf in leaves:
            codec = group.column(leaf).compression
            if codec not in _CODECS:
                raise Unproved(f"{path} is compressed by {codec}")
