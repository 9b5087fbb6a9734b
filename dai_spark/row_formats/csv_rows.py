"""CSV with names of columns, whose texts are read by what the pipeline wants of each."""

import csv
import io
from typing import Any, BinaryIO, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError, UnreadableRowsError, first_line, shortened
from dai_spark.row_formats.refused_cells import RefusedCells, shown
from dai_spark.schema.columns import check_columns, check_once
from dai_spark.schema.text_numbers import MISSING_WORDS, changed_numbers, numbers_of_texts

__all__ = ["csv_tables", "read_csv", "table_of_texts"]

_WHERE = "The CSV"
# What `pandas.read_csv` takes as missing, beside Driverless AI's words.
_MISSING = tuple(
    dict.fromkeys(
        (
            *MISSING_WORDS,
            *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
            *("1.#QNAN", "<NA>", "NULL", "NaN", "n/a", "null"),
        )
    )
)
_TRUE, _FALSE = ("True", "TRUE", "true"), ("False", "FALSE", "false")
_MOST_HEADER_BYTES = 4 << 20
_MOST_ROWS_TOLD = 20


def read_csv(
    data: bytes, wanted: Mapping[str, PipelineColumn], keep: Sequence[str] = ()
) -> pa.Table:
    """Read rows of CSV as `csv_tables` does, all at once."""
    # A block is at least a row, so one of all bytes is all rows.
    tables = list(csv_tables(io.BytesIO(data), wanted, keep, max(len(data), 1) + 1))
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


def csv_columns(data: bytes) -> List[str]:
    """The names in the first line of a CSV.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    UnreadableRowsError
        It has none.
    """
    return _header(_Counted(io.BytesIO(data)), ())


def csv_tables(
    source: BinaryIO,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    block_bytes: int = 4 << 20,
) -> Iterator[pa.Table]:
    """Read rows of CSV in tables of about so many bytes; at least one, which may be empty.

    Where the pipeline wants text, a field is what stands there; a field without anything is
    missing, ``""`` is empty text.  Where it wants a number, blanks around it are passed over,
    ``True`` and ``False`` are 1 and 0, and pandas' and Driverless AI's words for a missing value
    are one.  Kept columns are text.

    Parameters
    ----------
    source : file of bytes
        UTF-8, with commas and a line of names.
    wanted, keep
        See `dai_spark.row_formats.json_rows.table_of_json`.
    block_bytes : int

    Raises
    ------
    ColumnError
        The bytes are no CSV, columns are missing, a row has another number of fields, or a field
        of a number column is none: names rows and columns, many at once.
    """
    _refuse_unknown(wanted, _WHERE)
    counted = _Counted(source)
    names = list(dict.fromkeys([*wanted, *keep]))
    columns = _header(counted, names)
    ragged: List[Tuple[int, int, int]] = []
    n_read = 0
    for batch in _batches(counted, columns, names, ragged, block_bytes):
        if ragged:
            break
        yield _table(batch, wanted, n_read)
        n_read += batch.num_rows
    if ragged:
        _raise_ragged(ragged)
    if counted.n_quotes % 2:
        raise UnreadableRowsError(
            f'{_WHERE} has an odd number of quotes ("), so one field has no end; a quote in a text '
            "is written twice."
        )


def _refuse_unknown(wanted: Mapping[str, PipelineColumn], where: str) -> None:
    unknown = [name for name, column in wanted.items() if not column.is_known]
    if unknown:
        raise ColumnError(
            f"{where} cannot tell numbers from text in {shortened(unknown)}, and the pipeline's "
            "export does not either; send these rows as JSON or Arrow, which have types."
        )


class _Counted(io.RawIOBase):
    """A file that is read once, whose quotes are counted, and whose beginning can be looked at."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._ahead = b""
        self.n_quotes = 0

    def head(self) -> bytes:
        """What stands before the first end of a line that is in no quotes."""
        end = 0
        while True:
            more = self._source.read(1 << 16)
            self._ahead += more
            end = _line_end(self._ahead)
            if end or not more or len(self._ahead) > _MOST_HEADER_BYTES:
                return self._ahead[:end] if end else self._ahead

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._ahead[:size] if size >= 0 else self._ahead
        self._ahead = self._ahead[len(data) :]
        if size < 0 or len(data) < size:
            data += self._source.read(size - len(data) if size >= 0 else -1)
        self.n_quotes += data.count(b'"')
        return data


def _line_end(data: bytes) -> int:
    """Where the first line ends, quoted ends of lines passed over; 0 where it does not."""
    at = 0
    while True:
        at = data.find(b"\n", at) + 1
        if at == 0 or data.count(b'"', 0, at) % 2 == 0:
            return at


def _header(source: _Counted, names: Sequence[str]) -> List[str]:
    head = source.head()
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableRowsError(
            f"{_WHERE} is no UTF-8: byte {error.start} is 0x{head[error.start]:02x}."
        ) from None
    try:
        columns = next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except csv.Error as error:
        raise UnreadableRowsError(f"{_WHERE} has no line of names ({error}).") from None
    if not columns:
        raise UnreadableRowsError(f"{_WHERE} is empty; its first line holds names of columns.")
    check_once(names, columns, _WHERE)
    # By a type that suits every column, so that only those that are missing are told.
    any_type = {name: pa.null() for name in columns}
    check_columns(any_type, {name: PipelineColumn(name, "object") for name in names}, _WHERE)
    return columns


def _batches(
    source: _Counted,
    columns: Sequence[str],
    names: Sequence[str],
    ragged: List[Tuple[int, int, int]],
    block_bytes: int,
) -> Iterator[Any]:
    """The named columns as bytes; rows of another number of fields go to `ragged`."""

    def note(row: Any) -> str:
        # The header is row 1.
        ragged.append((row.number - 2, row.actual_columns, row.expected_columns))
        return "skip" if len(ragged) < 10 * _MOST_ROWS_TOLD else "error"

    options: Dict[str, Any] = {
        "read_options": arrow_csv.ReadOptions(use_threads=False, block_size=block_bytes),
        "parse_options": arrow_csv.ParseOptions(
            newlines_in_values=True,
            invalid_row_handler=note,
            # Of one column, an empty line is a row.
            ignore_empty_lines=len(columns) > 1,
        ),
        "convert_options": arrow_csv.ConvertOptions(
            include_columns=names,
            column_types={name: pa.binary() for name in names},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            check_utf8=False,
        ),
    }
    empty = pa.RecordBatch.from_arrays([pa.array([], pa.binary())] * len(names), list(names))
    n_batches = 0
    try:
        for batch in arrow_csv.open_csv(source, **options):
            n_batches += 1
            yield batch
    except pa.ArrowInvalid as error:
        # A header alone is a table without rows.
        if not ragged and n_batches == 0 and "Empty CSV" in str(error):
            yield empty
        elif not ragged:
            raise UnreadableRowsError(
                f"{_WHERE} cannot be read ({first_line(error, 200)})."
            ) from None
    else:
        if n_batches == 0:
            yield empty


def _raise_ragged(ragged: Sequence[Tuple[int, int, int]]) -> None:
    refused = RefusedCells(_WHERE)
    for row, n_found, n_wanted in ragged:
        refused.add(row, "", f"it has {n_found} fields for {n_wanted} columns")
    refused.check()


def table_of_texts(
    columns: Mapping[str, pa.Array], wanted: Mapping[str, PipelineColumn], where: str
) -> pa.Table:
    """Columns of texts, read as CSV's fields are; null is a missing value.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array
        The wanted ones.
    wanted : mapping of str to PipelineColumn
    where : str
        What an error calls the rows.

    Raises
    ------
    ColumnError
    """
    _refuse_unknown(wanted, where)
    batch = pa.RecordBatch.from_arrays([columns[name] for name in wanted], names=list(wanted))
    return _table(batch, wanted, 0, where)


def _table(
    batch: Any, wanted: Mapping[str, PipelineColumn], first_row: int, where: str = _WHERE
) -> pa.Table:
    refused = RefusedCells(where, first_row)
    names = batch.schema.names
    texts = {name: _decoded(name, array, refused) for name, array in zip(names, batch.columns)}
    numbers = [name for name in names if name in wanted and wanted[name].is_number]
    if numbers:
        texts.update(_numbers({name: texts[name] for name in numbers}, wanted, refused))
    refused.check()
    return pa.Table.from_arrays([texts[name] for name in names], names=names)


def _decoded(name: str, array: pa.Array, refused: RefusedCells) -> pa.Array:
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        texts = []
        for row, data in enumerate(array.to_pylist()):
            try:
                texts.append(None if data is None else data.decode())
            except UnicodeDecodeError:
                refused.add(row, name, f"X'{data[:30].hex().upper()}' (it is no UTF-8)")
                texts.append(None)
        return pa.array(texts, pa.string())


def _numbers(
    texts: Mapping[str, pa.Array], wanted: Mapping[str, PipelineColumn], refused: RefusedCells
) -> Dict[str, pa.Array]:
    """All columns of numbers at once, since a call of Arrow costs more than a row."""
    arrays = list(texts.values())
    n_rows = len(arrays[0])
    whole = pa.concat_arrays(arrays) if len(arrays) > 1 else arrays[0]
    found, misfits = numbers_of_texts(whole, _MISSING)
    misfits = misfits.copy()
    if misfits.any():
        found, misfits = _flags(whole, found, misfits)
    changed = changed_numbers(whole, found)
    values = found.fill_null(0).to_numpy(zero_copy_only=False)
    fractions = np.zeros(len(whole), dtype=bool)
    for i, name in enumerate(texts):
        if wanted[name].is_integer:
            part = slice(i * n_rows, (i + 1) * n_rows)
            fractions[part] = values[part] != np.floor(values[part])
    for at in np.flatnonzero(misfits | changed | fractions):
        place, row = divmod(int(at), n_rows)
        why = "it is no number, and the pipeline wants one"
        if changed[at]:
            why = "a float would round it"
        elif fractions[at]:
            why = "the pipeline wants a whole number"
        refused.add(row, list(texts)[place], f"{shown(whole[int(at)].as_py())} ({why})")
    return {name: found.slice(i * n_rows, n_rows) for i, name in enumerate(texts)}


def _flags(texts: pa.Array, found: pa.Array, misfits: Any) -> Tuple[pa.Array, Any]:
    trimmed = pc.utf8_trim_whitespace(texts)
    for words, value in ((_TRUE, 1.0), (_FALSE, 0.0)):
        is_word = pc.is_in(trimmed, value_set=pa.array(words, pa.string()))
        found = pc.if_else(is_word, pa.scalar(value), found)
        misfits = misfits & ~is_word.to_numpy(zero_copy_only=False)
    return found, misfits
