"""A column of an answer brought into the type that was described, value for value."""

from typing import Any, Tuple

import numpy as np
import pyarrow as pa

__all__ = ["InexactError", "exact_cast"]


class InexactError(Exception):
    """A value that the other type does not hold.

    Parameters
    ----------
    row : int
        Its row, from 0.
    value : object
    """

    def __init__(self, row: int, value: object) -> None:
        super().__init__(f"{value!r} of row {row}")
        self.row = row
        self.value = value


def exact_cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Cast numbers and booleans to each other; what is NaN or null in one is so in the other.

    A text is no number and no number a text: only nulls can be both.

    Parameters
    ----------
    column : pyarrow.Array
    wanted : pyarrow.DataType

    Raises
    ------
    InexactError
        Names the first value that would be another one.
    """
    if column.type.equals(wanted):
        return column
    is_null = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    if is_null.all():
        return _nothing(len(column), wanted)
    if not (_is_number(column.type) and _is_number(wanted)):
        raise _first(column, ~is_null)
    values = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    numbers = values.to_numpy(zero_copy_only=False)
    if pa.types.is_floating(column.type) and not pa.types.is_floating(wanted):
        # How pandas writes integers and booleans some of which are missing.
        is_null = is_null | np.isnan(numbers)
    cast, fits = _cast(numbers, np.dtype(wanted.to_pandas_dtype()))
    if not (fits | is_null).all():
        raise _first(column, ~(fits | is_null))
    if pa.types.is_floating(wanted):
        cast[is_null] = np.nan
        return pa.array(cast, wanted, from_pandas=False)
    return pa.array(cast, wanted, mask=is_null)


def _cast(numbers: Any, wanted: "np.dtype[Any]") -> Tuple[Any, Any]:
    """The numbers in another type, and which of them are the same there; NaN is NaN."""
    if wanted.kind == "b":
        return numbers == 1, (numbers == 0) | (numbers == 1)
    if wanted.kind == "i":
        limits = np.iinfo(wanted)
        # As a float the largest integer is one more than it is.
        fits = (numbers >= limits.min) & (numbers < limits.max + 1.0)
        if numbers.dtype.kind == "f":
            fits &= numbers == np.floor(numbers)
        else:
            fits = (numbers >= limits.min) & (numbers <= limits.max)
        return np.where(fits, numbers, 0).astype(wanted), fits
    with np.errstate(over="ignore"):
        cast = numbers.astype(wanted)
    if numbers.dtype.kind == "f":
        return cast, (cast == numbers) | np.isnan(numbers)
    back = np.where((cast >= -(2.0**63)) & (cast < 2.0**63), cast, 0).astype("int64")
    return cast, back == numbers


def _nothing(n_rows: int, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_floating(wanted):
        return pa.array(np.full(n_rows, np.nan), pa.float64()).cast(wanted)
    return pa.nulls(n_rows, wanted)


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    )


def _first(column: pa.Array, is_bad: Any) -> InexactError:
    row = int(np.argmax(is_bad))
    return InexactError(row, column[row].as_py())
