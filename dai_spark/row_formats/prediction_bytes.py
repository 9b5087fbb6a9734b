"""A prediction as bytes: JSON in four forms, JSON Lines, CSV, Arrow and Parquet."""

import json
from typing import List

import pyarrow as pa
import pyarrow.compute as pc

from dai_spark.errors import OptionError
from dai_spark.row_formats.few_rows import FEW_ROWS
from dai_spark.row_formats.prediction_texts import few_json_texts, json_texts

__all__ = [
    "FORMS",
    "arrow_bytes",
    "csv_bytes",
    "json_bytes",
    "json_lines_bytes",
    "json_lists",
    "json_objects",
    "parquet_bytes",
    "plain_table",
]

# What JSON makes of a table.
FORMS = ("records", "split", "lists", "columns")


def json_bytes(table: pa.Table, form: str = "records") -> bytes:
    """A table as JSON.

    Parameters
    ----------
    table : pyarrow.Table
    form : {"records", "split", "lists", "columns"}
        A list of objects; ``{"columns": [...], "data": [[...]]}``; a list of lists; an object of
        lists.

    Raises
    ------
    OptionError
    """
    if form == "columns":
        parts = [
            f"{json.dumps(name)}:[{','.join(json_texts(column).to_pylist())}]"
            for name, column in zip(table.column_names, table.columns)
        ]
        return ("{" + ",".join(parts) + "}").encode()
    if form == "records":
        return ("[" + ",".join(json_objects(table)) + "]").encode()
    if form in ("split", "lists"):
        data = "[" + ",".join(json_lists(table)) + "]"
        if form == "split":
            data = f'{{"columns":{json.dumps(table.column_names)},"data":{data}}}'
        return data.encode()
    raise OptionError(f"{form!r} is no form of JSON rows; the forms are {', '.join(FORMS)}.")


def json_lines_bytes(table: pa.Table) -> bytes:
    """A table as JSON Lines: an object a line."""
    return "".join(f"{text}\n" for text in json_objects(table)).encode()


def csv_bytes(table: pa.Table, has_header: bool = True) -> bytes:
    """A table as CSV; what is missing is an empty field, and NaN is missing.

    Parameters
    ----------
    table : pyarrow.Table
    has_header : bool, default True
    """
    import pyarrow.csv as arrow_csv

    sink = pa.BufferOutputStream()
    # Arrow's own line of names has quotes around each, and CSV is mostly written without.
    options = arrow_csv.WriteOptions(include_header=False)
    if has_header:
        sink.write((",".join(_csv_name(name) for name in table.column_names) + "\n").encode())
    if table.num_rows:
        arrow_csv.write_csv(plain_table(table), sink, options)
    return bytes(sink.getvalue())


def plain_table(table: pa.Table) -> pa.Table:
    """A table of what CSV holds: NaN is missing, and maps are texts of JSON."""
    columns = []
    for column in table.columns:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        elif pa.types.is_nested(column.type):
            texts = json_texts(column)
            column = pc.if_else(column.is_valid(), texts, pa.scalar(None, pa.string()))
        columns.append(column)
    return pa.Table.from_arrays(columns, names=table.column_names)


def arrow_bytes(table: pa.Table) -> bytes:
    """A table as an Arrow IPC stream, its types kept."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def json_objects(table: pa.Table) -> List[str]:
    """Each row as the text of an object."""
    names = [json.dumps(name) for name in table.column_names]
    return _rows(table, [f"{',' if i else ''}{name}:" for i, name in enumerate(names)], "{}")


def json_lists(table: pa.Table) -> List[str]:
    """Each row as the text of a list of its values."""
    return _rows(table, ["," if i else "" for i in range(table.num_columns)], "[]")


def _rows(table: pa.Table, before: List[str], around: str) -> List[str]:
    """Each row as one text; of many rows put together by Arrow, column by column."""
    if table.num_rows < FEW_ROWS:
        columns = [few_json_texts(column) for column in table.columns]
        told = [
            "".join([part for pair in zip(before, row) for part in pair]) for row in zip(*columns)
        ]
        return [f"{around[0]}{row}{around[1]}" for row in told]
    parts: List[object] = [around[0]]
    for text, column in zip(before, table.columns):
        parts += [text, json_texts(column).combine_chunks()]
    rows: List[str] = pc.binary_join_element_wise(*parts, around[1], "").to_pylist()
    return rows


def _csv_name(name: str) -> str:
    if any(sign in name for sign in ',"\r\n'):
        return '"' + name.replace('"', '""') + '"'
    return name
