"""The batches of a task's files, in the types in which Spark would have sent them."""

import hashlib
import os
import socket
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from dai_spark.client.read_files.file_columns import FileColumns
from dai_spark.client.read_files.footers import check_pyarrow, pyarrow_version
from dai_spark.client.read_files.task_files import FileRange, TaskFiles
from dai_spark.client.read_files.unproved import Unproved
from dai_spark.errors import SourceFileError
from dai_spark.schema.cast import decoded

__all__ = ["batches_of_files"]

# A task holds no whole row group, but a buffer of each column, and a batch.
_BUFFER_BYTES = 1 << 20
_LEAST_BUFFER_BYTES = 1 << 14
_ALL_BUFFERS_BYTES = 64 << 20
# Before this version Arrow's buffered stream may write behind its buffer (apache/arrow#48311), so
# that values are others, or the worker crashes.  There a task holds the compressed columns of a row
# group.
_LEAST_BUFFERED_PYARROW = 24
_BATCH_BYTES = 64 << 20
_END_BYTES = 8
_WHAT_TO_DO = (
    "run it again when nobody writes to the table, or give read='spark' (--read spark), which "
    "leaves reading to Spark."
)


def batches_of_files(
    files: TaskFiles, names: Sequence[str], given: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Read what this task is to read, in batches of so many rows as Spark would send.

    Runs in a Python worker, once a task.  Memory holds a batch or two and a buffer for each column;
    with pyarrow before 24 the compressed columns of a row group.

    Parameters
    ----------
    files : TaskFiles
    names : sequence of str
        What the columns are called in the batches.
    given : iterator of pyarrow.RecordBatch
        Of Spark: column 0 has the numbers of tasks, column 1 a struct that is null, whose fields
        have the types in which Spark sends the table's columns at this moment.

    Raises
    ------
    SourceFileError
        A file is not there, or is another one than when the job was planned; this host's pyarrow is
        older than the driver's, and too old.
    """
    try:
        check_pyarrow()
    except Unproved as error:
        raise SourceFileError(
            f"Tasks on {socket.gethostname()} cannot read files, since {error}; install a newer "
            "pyarrow there, or give read='spark' (--read spark), which leaves reading to Spark."
        ) from None
    for batch in given:
        kind = batch.schema.field(1).type
        schema = pa.schema([(name, kind.field(i).type) for i, name in enumerate(names)])
        for task in batch.column(0).to_pylist():
            pieces = (
                piece for one in files.ranges(task) for piece in _of_range(files, one, schema)
            )
            yield from _of_rows(pieces, files.batch_rows)


def _of_rows(pieces: Iterator[pa.RecordBatch], n_rows: int) -> Iterator[pa.RecordBatch]:
    """Pieces of all sizes as batches of `n_rows` rows, but for the last one and for large ones."""
    held: List[pa.RecordBatch] = []
    n_held = 0
    n_bytes = 0
    for piece in pieces:
        while piece.num_rows:
            part = piece.slice(0, n_rows - n_held)
            piece = piece.slice(part.num_rows)
            held.append(part)
            n_held += part.num_rows
            n_bytes += part.nbytes
            if n_held == n_rows or n_bytes > _BATCH_BYTES:
                yield _together(held)
                held, n_held, n_bytes = [], 0, 0
    if held:
        yield _together(held)


def _together(held: List[pa.RecordBatch]) -> pa.RecordBatch:
    if len(held) == 1:
        return held[0]
    return pa.Table.from_batches(held).combine_chunks().to_batches()[0]


def _of_range(files: TaskFiles, one: FileRange, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        # Arrow opens the descriptor's own file anew, whatever has the path by now; it cannot tell
        # its own descriptor before pyarrow 25.
        with Path(one.path).open("rb") as opened, pa.OSFile(f"/dev/fd/{opened.fileno()}") as source:
            _check_same(files, one, opened)
            # Without a buffer for the whole row group, where that can be had.
            with pq.ParquetFile(
                source,
                buffer_size=_buffer_bytes(len(files.columns)),
                pre_buffer=False,
                coerce_int96_timestamp_unit="us",
            ) as file:
                yield from _of_file(files, one, schema, file)
            _check_same(files, one, opened)
    except FileNotFoundError:
        raise _changed(one, "is no longer there") from None
    except PermissionError:
        raise _changed(one, "cannot be read by this user") from None
    except (OSError, pa.ArrowException) as error:
        first = str(error).strip().partition("\n")[0]
        raise _changed(one, f"cannot be read ({first})") from None


def _of_file(
    files: TaskFiles, one: FileRange, schema: pa.Schema, file: Any
) -> Iterator[pa.RecordBatch]:
    sources: List[Optional[str]] = []
    of_file = FileColumns(file.schema_arrow, files.is_case_sensitive)
    for column in files.columns:
        if column.partition is not None:
            sources.append(None)
            continue
        try:
            found = of_file.of(column.name, column.field_id)
        except Unproved as error:
            raise _changed(one, f"has changed ({error})") from None
        sources.append(found)
    constants = {
        i: _constant(column.partition, one, schema.field(i).type)
        for i, column in enumerate(files.columns)
        if sources[i] is None
    }
    wanted = list(dict.fromkeys(source for source in sources if source is not None))
    groups = list(range(one.first, one.end))
    n_rows = _rows_at_once(file.metadata, groups, wanted, files.batch_rows)
    for batch in _read(file, groups, wanted, n_rows):
        yield pa.RecordBatch.from_arrays(
            [
                pa.repeat(constants[i], batch.num_rows)
                if source is None
                else _as_sent(batch.column(source), schema.field(i).type)
                for i, source in enumerate(sources)
            ],
            schema=schema,
        )


def _buffer_bytes(n_columns: int) -> int:
    if pyarrow_version() < _LEAST_BUFFERED_PYARROW:
        return 0
    return max(_LEAST_BUFFER_BYTES, min(_BUFFER_BYTES, _ALL_BUFFERS_BYTES // n_columns))


def _rows_at_once(metadata: Any, groups: List[int], wanted: List[str], most: int) -> int:
    """Fewer rows at once than Spark would send, where these would be many bytes."""
    n_bytes = n_rows = 0
    read = set(wanted)
    for number in groups:
        group = metadata.row_group(number)
        n_rows += group.num_rows
        chunks = [group.column(i) for i in range(group.num_columns)]
        n_bytes += sum(one.total_uncompressed_size for one in chunks if one.path_in_schema in read)
    per_row = n_bytes / n_rows if n_rows else 0
    return most if per_row * most <= _BATCH_BYTES else max(1, int(_BATCH_BYTES / per_row))


def _read(file: Any, groups: List[int], wanted: List[str], n_rows: int) -> Iterator[Any]:
    if wanted:
        # In this thread: Spark counts on one core a task.
        yield from file.iter_batches(n_rows, groups, wanted, use_threads=False)
        return
    n_left = sum(file.metadata.row_group(group).num_rows for group in groups)
    while n_left:
        n = min(n_left, n_rows)
        yield pa.RecordBatch.from_arrays([pa.nulls(n)], names=["nothing"])
        n_left -= n


def _constant(partition: Optional[int], one: FileRange, kind: pa.DataType) -> pa.Scalar:
    """A value that all rows of a file have; null for a column that it is without."""
    value = None if partition is None else one.values[partition]
    if value is None:
        return pa.scalar(None, kind)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        # Days or microseconds since 1970, as Spark holds them.
        bits = pa.int32() if pa.types.is_date(kind) else pa.int64()
        return pa.array([value], bits).cast(kind)[0]
    if pa.types.is_decimal(kind):
        return pa.array([value], pa.string()).cast(kind)[0]
    return pa.scalar(value, kind)


def _as_sent(found: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in Spark's type: what differs is unit, zone, width or dictionary, never a value.

    A type that Iceberg has promoted is wider here than in the file.
    """
    if pa.types.is_dictionary(found.type):
        found = decoded(found)
    if found.type == kind:
        return found
    if pa.types.is_timestamp(kind) and found.type == pa.timestamp("us"):
        # INT96, whose times are of UTC; a cast would take them for the zone's own.
        return found.cast(pa.int64()).cast(kind) if kind.tz is not None else found
    return found.cast(kind)


def _check_same(files: TaskFiles, one: FileRange, opened: Any) -> None:
    status = os.fstat(opened.fileno())
    if status.st_size != one.n_bytes:
        raise _changed(one, f"has {status.st_size:,} bytes, and had {one.n_bytes:,}")
    if status.st_mtime_ns == one.changed_ns:
        return
    if files.is_one_host:
        raise _changed(one, "has been written to")
    # A copy on another host has a time of its own; a file of other rows has another footer.
    with Path(one.path).open("rb") as file:
        file.seek(-_END_BYTES, os.SEEK_END)
        n_footer = int.from_bytes(file.read(4), "little") + _END_BYTES
        file.seek(-min(n_footer, one.n_bytes), os.SEEK_END)
        if not hashlib.sha256(file.read()).hexdigest().startswith(one.footer):
            raise _changed(one, "has been written to")


def _changed(one: FileRange, what: str) -> SourceFileError:
    return SourceFileError(
        f"File {one.path} on {socket.gethostname()} {what} since this job was planned, so its rows "
        f"were not scored; {_WHAT_TO_DO}"
    )
