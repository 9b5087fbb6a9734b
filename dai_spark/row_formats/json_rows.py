"""Values of JSON as a table of the pipeline's columns: records, columns and rows, or lists."""

from operator import itemgetter
from typing import Any, Dict, List, Mapping, Sequence

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import UnreadableRowsError, shortened
from dai_spark.row_formats.cells import column_of, kept_column
from dai_spark.row_formats.refused_cells import RefusedCells, shown
from dai_spark.row_formats.strict_json import json_value
from dai_spark.schema.columns import check_columns, check_once

__all__ = [
    "is_split",
    "read_json",
    "table_of_columns",
    "table_of_json",
    "table_of_records",
    "table_of_split",
]

_WHERE = "The JSON"
# What rows are called beside their columns.
_ROWS = ("data", "rows")


def read_json(
    data: bytes, wanted: Mapping[str, PipelineColumn], keep: Sequence[str] = ()
) -> pa.Table:
    """Read a body of JSON that holds rows and nothing else; see `table_of_json`."""
    return table_of_json(json_value(data), wanted, keep)


def table_of_json(
    value: Any, wanted: Mapping[str, PipelineColumn], keep: Sequence[str] = ()
) -> pa.Table:
    """Rows in any of the forms that JSON has for them, told apart by their shape.

    Parameters
    ----------
    value : list of dict, or dict
        Of `json_value`.  A list of objects, one a row; ``{"columns": [...], "data": [[...]]}``,
        also with ``"rows"``; an object of one list for each column; or one row's object.
    wanted : mapping of str to PipelineColumn
        The columns to read; others are passed over.
    keep : sequence of str
        Further columns, which are not the pipeline's: numbers or text, as they are given.

    Returns
    -------
    pyarrow.Table
        The wanted columns in their order, then those that are kept.

    Raises
    ------
    ColumnError
        Columns that are missing, rows that are none, values that do not fit: many at once.
    """
    if isinstance(value, list):
        return table_of_records(value, wanted, keep)
    if isinstance(value, dict):
        if is_split(value, wanted):
            rows = next((value[name] for name in _ROWS if name in value), None)
            return table_of_split(value["columns"], rows, wanted, keep)
        if value and all(isinstance(found, list) for found in value.values()):
            return table_of_columns(value, wanted, keep)
        return table_of_records([value], wanted, keep)
    raise UnreadableRowsError(
        f"{_WHERE} holds {shown(value)} in place of rows; send a list of objects, or an object "
        'with "columns" and "data".'
    )


def is_split(value: Any, wanted: Mapping[str, PipelineColumn]) -> bool:
    """Whether a value of JSON has names of columns, and rows beside them.

    Parameters
    ----------
    value : object
        Of `json_value`.
    wanted : mapping of str to PipelineColumn
        One of them may be called ``columns``.
    """
    return (
        isinstance(value, dict)
        and "columns" in value
        and not ("columns" in wanted and value.keys() >= wanted.keys())
    )


def table_of_records(
    rows: Any,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    where: str = _WHERE,
    first_row: int = 0,
) -> pa.Table:
    """Rows that are objects.  Each names each column: what it does not name is not missing.

    Parameters
    ----------
    rows : list of dict
    wanted, keep
        See `table_of_json`.
    where : str
        What an error calls the rows.
    first_row : int, default 0
        Number of the first one.
    """
    names = _names(wanted, keep)
    if not isinstance(rows, list):
        raise UnreadableRowsError(f"{where} holds {shown(rows)} in place of a list of rows.")
    try:
        found: List[Sequence[Any]]
        if len(names) == 1:
            found = [[row[names[0]] for row in rows]]
        else:
            found = list(zip(*map(itemgetter(*names), rows))) if rows else [()] * len(names)
    except (KeyError, TypeError, IndexError):
        _refuse_records(rows, names, where, first_row)
        raise
    return _table(dict(zip(names, found)), wanted, where, first_row)


def table_of_split(
    columns: Any,
    rows: Any,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    where: str = _WHERE,
) -> pa.Table:
    """Names of columns, and rows that are lists of as many values.

    Parameters
    ----------
    columns : list of str
    rows : list of list
    wanted, keep, where
        See `table_of_records`.
    """
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise UnreadableRowsError(
            f"{where} has columns {shown(columns)} in place of a list of names."
        )
    if not isinstance(rows, list):
        raise UnreadableRowsError(f"{where} has columns, and no list of rows beside them (data).")
    names = _names(wanted, keep)
    check_once(names, columns, where)
    _check_there(columns, names, where)
    width = len(columns)
    if not all(type(row) is list and len(row) == width for row in rows):
        refused = RefusedCells(where)
        for i, row in enumerate(rows):
            if not isinstance(row, list):
                refused.add(i, "", f"{shown(row)} (it is no list of values)")
            elif len(row) != width:
                refused.add(i, "", f"it has {len(row)} values for {width} columns")
        refused.check()
    whole = list(zip(*rows)) if rows else [()] * width
    places = {name: i for i, name in enumerate(columns)}
    return _table({name: whole[places[name]] for name in names}, wanted, where, 0)


def table_of_columns(
    columns: Any,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    where: str = _WHERE,
) -> pa.Table:
    """An object with one list of values for each column.

    Parameters
    ----------
    columns : dict of str to list
    wanted, keep, where
        See `table_of_records`.
    """
    if not isinstance(columns, dict):
        raise UnreadableRowsError(f"{where} holds {shown(columns)} in place of columns by name.")
    names = _names(wanted, keep)
    _check_there(columns, names, where)
    no_lists = [name for name in names if not isinstance(columns[name], list)]
    if no_lists:
        raise UnreadableRowsError(
            f"{where} has no list of values in {shortened(no_lists)}; an object of columns holds a "
            "list for each of them."
        )
    lengths = {name: len(columns[name]) for name in names}
    if len(set(lengths.values())) > 1:
        told = shortened([f"{name} {n}" for name, n in lengths.items()])
        raise UnreadableRowsError(f"{where} has columns of several numbers of rows: {told}.")
    return _table({name: columns[name] for name in names}, wanted, where, 0)


def _names(wanted: Mapping[str, PipelineColumn], keep: Sequence[str]) -> List[str]:
    return list(dict.fromkeys([*wanted, *keep]))


def _check_there(columns: Any, names: Sequence[str], where: str) -> None:
    # By a type that suits every column, so that only those that are missing are told.
    any_type = {name: pa.null() for name in columns}
    check_columns(any_type, {name: PipelineColumn(name, "object") for name in names}, where)


def _refuse_records(rows: List[Any], names: Sequence[str], where: str, first_row: int) -> None:
    there: Dict[str, None] = {}
    for row in rows:
        if isinstance(row, dict):
            there.update(dict.fromkeys(row))
    if there:
        # Columns that no row has: one sentence for all of them.
        _check_there(there, names, where)
    refused = RefusedCells(where, first_row)
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            refused.add(i, "", f"{shown(row)} (it is no object with names of columns)")
            continue
        missing = [name for name in names if name not in row]
        if missing:
            refused.add(i, "", f"it lacks {shortened(missing)} (send null for a missing value)")
    refused.check()


def _table(
    found: Mapping[str, Sequence[Any]],
    wanted: Mapping[str, PipelineColumn],
    where: str,
    first_row: int,
) -> pa.Table:
    refused = RefusedCells(where, first_row)
    arrays = [
        column_of(name, values, wanted[name], refused)
        if name in wanted
        else kept_column(name, values, refused)
        for name, values in found.items()
    ]
    refused.check()
    return pa.Table.from_arrays(arrays, names=list(found))
