"""One column's Python values in the type that the pipeline is sent, each as it was given."""

from typing import Any, Callable, Optional, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.row_formats.few_rows import FEW_ROWS, few_floats, few_texts
from dai_spark.row_formats.refused_cells import RefusedCells, shown

__all__ = ["column_of", "kept_column"]

# No float rounds a whole number up to this one.
_EXACT = 1 << 53
_NOTHING = type(None)
_NUMBERS = {int, float, _NOTHING}
_TEXTS = {str, _NOTHING}
_WHOLE = {int, str, _NOTHING}
_SIMPLE = {bool, int, float, str}


def column_of(
    name: str, values: Sequence[Any], column: PipelineColumn, refused: RefusedCells
) -> Optional[pa.Array]:
    """The values as float64 or string; None where some were refused.

    Parameters
    ----------
    name : str
    values : sequence of (None, bool, int, float, str, or what is none of these)
    column : PipelineColumn
    refused : RefusedCells
        Gets those that do not fit.
    """
    kinds = set(map(type, values))
    is_number = column.is_number if column.is_known else not kinds <= _WHOLE or str not in kinds
    if not column.is_known and kinds <= {_NOTHING}:
        is_number = False
    array = _numbers(values, kinds, column) if is_number else _texts(values, kinds)
    if array is not None:
        return array
    fault = _number_fault if is_number else _text_fault
    _refuse(name, values, lambda value: fault(value, column), refused)
    return None


def kept_column(name: str, values: Sequence[Any], refused: RefusedCells) -> Optional[pa.Array]:
    """Values that no pipeline reads, in the type that they have; None where some were refused.

    Parameters
    ----------
    name, values, refused
        See `column_of`.
    """
    try:
        found = pa.array(values)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, ValueError, TypeError):
        found = None
    if found is not None and not pa.types.is_nested(found.type):
        return found
    first = next((type(value) for value in values if value is not None), _NOTHING)
    for row, value in enumerate(values):
        if value is not None and (type(value) is not first or first not in _SIMPLE):
            refused.add(row, name, f"{shown(value)} (a kept column holds values of one type)")
    if not refused:
        refused.add(0, name, "a value of this kept column has no type of Arrow's")
    return None


def _numbers(values: Sequence[Any], kinds: Any, column: PipelineColumn) -> Optional[pa.Array]:
    # By the types of all first: Arrow takes True for 1.
    if not kinds <= _NUMBERS:
        return None
    array: Optional[pa.Array]
    if len(values) < FEW_ROWS and _are_floats(values, kinds):
        array = few_floats(values)
    else:
        array = _float64(values)
    if array is None:
        return None
    if float in kinds and column.is_integer:
        # Of a column without values it is null.
        is_whole = pc.all(pc.equal(pc.floor(array), array)).as_py()
        return None if is_whole is False else array
    return array


def _are_floats(values: Sequence[Any], kinds: Any) -> bool:
    """Whether floats hold all of the values, and none is missing."""
    return kinds <= {float} or (kinds <= {int} and all(-_EXACT <= v <= _EXACT for v in values))


def _float64(values: Sequence[Any]) -> Optional[pa.Array]:
    try:
        return pa.array(values, pa.float64())
    except pa.ArrowInvalid:
        # Arrow takes no whole number beyond 2^53, also of those that are floats.
        if not all(type(value) is not int or _is_exact(value) for value in values):
            return None
        return pa.array([v if v is None else float(v) for v in values], pa.float64())


def _texts(values: Sequence[Any], kinds: Any) -> Optional[pa.Array]:
    if not kinds <= _TEXTS:
        if not kinds <= _WHOLE:
            return None
        values = [str(value) if type(value) is int else value for value in values]
    try:
        if len(values) < FEW_ROWS and _NOTHING not in kinds:
            return few_texts(values)
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return None


def _number_fault(value: Any, column: PipelineColumn) -> Optional[str]:
    if value is None:
        return None
    if type(value) is int:
        return None if _is_exact(value) else "a float would round it"
    if type(value) is float:
        if column.is_integer and value != value // 1:
            return "the pipeline wants a whole number"
        return None
    if isinstance(value, str):
        return "it is text, and the pipeline wants a number"
    if value is True or value is False:
        return "the pipeline wants a number; send 1 or 0"
    return _other_fault(value, "a number")


def _is_exact(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _text_fault(value: Any, column: PipelineColumn) -> Optional[str]:
    if value is None or type(value) is int:
        return None
    if isinstance(value, str):
        return None if _is_utf8(value) else "it has half of a surrogate pair, which no UTF-8 holds"
    if isinstance(value, (bool, float)):
        return "the pipeline wants text; send it as the text that the pipeline was trained on"
    return _other_fault(value, "text")


def _other_fault(value: Any, wanted: str) -> str:
    if isinstance(value, (list, dict)):
        return f"it is {'a list' if isinstance(value, list) else 'an object'}, not {wanted}"
    return f"it is no number that a float holds; the pipeline wants {wanted}, or null"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(
    name: str,
    values: Sequence[Any],
    fault: Callable[[Any], Optional[str]],
    refused: RefusedCells,
) -> None:
    for row, value in enumerate(values):
        why = fault(value)
        if why is not None:
            refused.add(row, name, f"{shown(value)} ({why})")
