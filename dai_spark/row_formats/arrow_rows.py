"""Arrow streams, Arrow files and Parquet, which have types of their own."""

from typing import Any, Iterator, List, Mapping, Optional, Sequence

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import UnreadableRowsError, first_line
from dai_spark.schema.columns import check_columns, check_once

__all__ = ["arrow_tables", "parquet_tables", "read_arrow", "read_parquet"]

# How an Arrow file begins; a stream has no such word.
_FILE_MAGIC = b"ARROW1"
# What reading damaged bytes raises.
_FAULTS = (pa.ArrowException, OSError, ValueError, EOFError, KeyError)
_BATCH_ROWS = 50_000


def read_arrow(
    data: bytes,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    most_bytes: Optional[int] = None,
) -> pa.Table:
    """Read an Arrow IPC stream, or an Arrow file, whose bytes nobody vouches for.

    Parameters
    ----------
    data : bytes
    wanted, keep
        See `dai_spark.row_formats.json_rows.table_of_json`.  Columns keep the types that they have;
        what the pipeline cannot be given is refused by `dai_spark.schema.columns`.
    most_bytes : int, optional
        Limit of the rows, which may be compressed.

    Raises
    ------
    ColumnError
    """
    if data[: len(_FILE_MAGIC)] == _FILE_MAGIC:
        return _joined(arrow_tables(pa.BufferReader(data), wanted, keep), most_bytes)
    return _joined(_stream_tables(pa.BufferReader(data), wanted, keep), most_bytes)


def read_parquet(
    data: bytes,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    most_bytes: Optional[int] = None,
) -> pa.Table:
    """Read the bytes of a Parquet file; see `read_arrow`."""
    return _joined(parquet_tables(pa.BufferReader(data), wanted, keep), most_bytes)


def arrow_tables(
    source: Any, wanted: Mapping[str, PipelineColumn], keep: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """An Arrow file's or stream's record batches as tables; see `read_arrow`.

    Parameters
    ----------
    source : str, or file of bytes
        A stream is read as it comes, a file wants one that can be sought in.
    wanted, keep
        See `read_arrow`.
    """
    if not _is_file(source):
        yield from _stream_tables(source, wanted, keep)
        return
    what = "The Arrow file"
    try:
        reader = pa.ipc.open_file(source)
    except _FAULTS as error:
        raise _unreadable(what, error) from None
    names = _names(reader.schema, wanted, keep, what)
    for i in range(reader.num_record_batches):
        try:
            yield _table(pa.Table.from_batches([reader.get_batch(i)]), names, what)
        except _FAULTS as error:
            raise _unreadable(what, error) from None
    if reader.num_record_batches == 0:
        yield reader.schema.empty_table().select(names)


def _is_file(source: Any) -> bool:
    if not source.seekable():
        return False
    head = source.read(len(_FILE_MAGIC))
    source.seek(0)
    return bytes(head) == _FILE_MAGIC


def _stream_tables(
    source: Any, wanted: Mapping[str, PipelineColumn], keep: Sequence[str]
) -> Iterator[pa.Table]:
    what = "The Arrow stream"
    try:
        reader = pa.ipc.open_stream(source)
    except _FAULTS as error:
        raise _unreadable(what, error) from None
    names = _names(reader.schema, wanted, keep, what)
    n_batches = 0
    while True:
        try:
            table = _table(pa.Table.from_batches([reader.read_next_batch()]), names, what)
        except StopIteration:
            break
        except _FAULTS as error:
            raise _unreadable(what, error) from None
        n_batches += 1
        yield table
    if n_batches == 0:
        yield reader.schema.empty_table().select(names)


def parquet_tables(
    source: Any, wanted: Mapping[str, PipelineColumn], keep: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """A Parquet file's rows as tables; only the columns that are wanted are read."""
    import pyarrow.parquet as pq

    what = "The Parquet file"
    try:
        file = pq.ParquetFile(source)
        schema = file.schema_arrow
    except _FAULTS as error:
        raise _unreadable(what, error) from None
    names = _names(schema, wanted, keep, what)
    batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=names)
    n_batches = 0
    while True:
        try:
            table = _table(pa.Table.from_batches([next(batches)]), names, what)
        except StopIteration:
            break
        except _FAULTS as error:
            raise _unreadable(what, error) from None
        n_batches += 1
        yield table
    if n_batches == 0:
        yield schema.empty_table().select(names)


def _names(
    schema: pa.Schema, wanted: Mapping[str, PipelineColumn], keep: Sequence[str], what: str
) -> List[str]:
    names = list(dict.fromkeys([*wanted, *keep]))
    try:
        found = schema.names
    except UnicodeDecodeError as error:
        raise _unreadable(what, error) from None
    check_once(names, found, what)
    check_columns(dict(zip(found, schema.types)), wanted, what)
    there = {name: pa.null() for name in found}
    check_columns(there, {name: PipelineColumn(name, "object") for name in keep}, what)
    return names


def _table(table: pa.Table, names: Sequence[str], what: str) -> pa.Table:
    table = table.select(names)
    for name, column in zip(names, table.columns):
        try:
            # A length that is wrong would else be read as somebody's memory.
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise UnreadableRowsError(
                f"{what} has a column {name} that is damaged ({first_line(error, 200)})."
            ) from None
    return table


def _joined(tables: Iterator[pa.Table], most_bytes: Optional[int]) -> pa.Table:
    found: List[pa.Table] = []
    n_bytes = 0
    for table in tables:
        n_bytes += table.nbytes
        if most_bytes is not None and n_bytes > most_bytes:
            raise UnreadableRowsError(
                f"The rows have more than {most_bytes:,} bytes when they are unpacked; send them "
                "in smaller requests."
            )
        found.append(table)
    return found[0] if len(found) == 1 else pa.concat_tables(found)


def _unreadable(what: str, error: BaseException) -> UnreadableRowsError:
    return UnreadableRowsError(f"{what} cannot be read ({first_line(error, 200)}).")
