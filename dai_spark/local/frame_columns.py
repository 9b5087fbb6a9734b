"""Columns of a pandas frame as Arrow arrays, and which values cannot be one."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, List, Optional, Sequence

import numpy as np
import pyarrow as pa

from dai_spark.errors import ColumnError, first_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["arrow_table", "column_names"]

# pyarrow converts frames by threads, which pays for long ones.
_SHORT_ROWS = 1000
_MOST_CHARS = 200
# What a conversion raises, beside pyarrow's own errors, which are some of these: values of several
# types, integers that no type holds, lone surrogates, and whatever an array of somebody else does.
_REFUSALS = (
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    NotImplementedError,
    pa.ArrowException,
)


def column_names(frame: "pd.DataFrame") -> List[str]:
    """Names of a frame's columns that a pipeline's columns can have: those that are texts.

    Raises
    ------
    ColumnError
        Its columns have several levels.
    """
    if frame.columns.nlevels > 1:
        raise ColumnError(
            f"The frame's columns have {frame.columns.nlevels} levels (a MultiIndex), and the "
            "pipeline's columns have one name each; give them one: "
            "frame.columns = frame.columns.map('_'.join)."
        )
    return [name for name in frame.columns if isinstance(name, str)]


def arrow_table(
    frame: "pd.DataFrame", names: Sequence[str], places: Optional[Sequence[int]] = None
) -> pa.Table:
    """Columns of a frame as a table; missing values are null.

    Parameters
    ----------
    frame : pandas.DataFrame
    names : sequence of str
        Columns that it has, each once.
    places : sequence of int, optional
        What an error calls each row, by default its number.

    Raises
    ------
    ColumnError
        Names every column with a value that makes it no column of Arrow's, and that value's row.
    """
    if len(frame) > _SHORT_ROWS:
        try:
            table = pa.Table.from_pandas(frame[list(names)], preserve_index=False)
        except _REFUSALS:
            table = None
        if table is not None and not any(_may_be_cut(frame[n], table[n].type) for n in names):
            return table
    arrays: List[Any] = []
    refused: List[str] = []
    for name in names:
        try:
            arrays.append(_array(frame[name]))
        except _REFUSALS as error:
            row = _bad_row(frame[name])
            number = row if places is None else places[row]
            refused.append(f"{name} (row {number}: {first_line(error, _MOST_CHARS)})")
    if refused:
        raise ColumnError(
            "The frame has columns whose values are not of one type that Arrow knows: "
            f"{'; '.join(refused)}; make each of them numbers or text before scoring."
        )
    return pa.table(arrays, names=list(names))


def _array(column: "pd.Series[Any]") -> Any:
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype):
        # pyarrow asks a Series for a dozen protocols, and a plain array for none.
        found = pa.array(column.to_numpy(), from_pandas=True)
        if dtype.kind == "O" and _may_be_cut(column, found.type):
            _check_times(column)
        return found
    import pandas as pd

    if isinstance(dtype, pd.SparseDtype):
        dense: Any = column.sparse
        return _array(dense.to_dense())
    found = pa.array(column, from_pandas=True)
    if _may_be_cut(column, found.type):
        _check_times(column)
    return found


def _may_be_cut(column: "pd.Series[Any]", kind: pa.DataType) -> bool:
    """Whether it is a column of Python's own times, which Arrow makes one type without a word."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        categories = getattr(column.dtype, "categories", None)
        dtype: Any = None if categories is None else categories.dtype
    else:
        dtype = column.dtype
    is_of_objects = isinstance(dtype, np.dtype) and dtype.kind == "O"
    return is_of_objects and (pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _check_times(column: "pd.Series[Any]") -> None:
    """Refuse dates beside times, times of several zones, and nanoseconds, which would be cut off.

    Raises
    ------
    ValueError
        For the first value that is not as those before it.
    """
    first: Optional[str] = None
    for value in column:
        if not isinstance(value, date) or value != value:
            continue
        kind = "a date"
        if isinstance(value, datetime):
            zone = value.tzinfo
            kind = "a time without zone" if zone is None else f"a time of zone {zone}"
            if getattr(value, "nanosecond", 0):
                raise ValueError("a time with nanoseconds, which only datetime64 holds")
        if first is not None and kind != first:
            raise ValueError(f"{kind} behind {first}")
        first = kind


def _bad_row(column: "pd.Series[Any]") -> int:
    """Number of the first row that is not of the type of those before it."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        # Its categories are the same however few rows are left.
        column = column.astype(object)
    good, bad = 0, len(column)
    # All rows fail, so the first so many that do end with it.
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            _array(column.iloc[:middle])
            good = middle
        except _REFUSALS:
            bad = middle
    return bad - 1
