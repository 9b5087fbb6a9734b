"""What the pipeline is given for each type of column: one table.

============================  ==========================  =======================================
a table's column (Arrow)      the pipeline wants a number  the pipeline wants text
============================  ==========================  =======================================
null (no type at all)         float64, all null           string, all null
boolean                       float64: 0 and 1            refused
integers                      float64, exactly or refused  string of digits
float16, float32              float32                     refused
float64                       float64                     refused
decimal                       float64, told once          refused
string                        refused                     string
date                          refused                     string ``2020-05-08``
timestamp                     refused                     string ``2020-05-08 17:30:00``
binary, interval, array,      refused                     refused
map, struct, and all others
============================  ==========================  =======================================

A number column is a float whatever its nulls, so what the pipeline sees of one row never depends on
the other rows of its batch.  Spark's ``timestamp`` arrives in the session's time zone and is
written as that local time; ``timestamp_ntz`` as it is.  Type alone decides what is refused, on
the driver; only a value can tell that an integer has no float64 of its own, or that a timestamp
has a fraction.
"""

from typing import Iterable, List, Mapping, NamedTuple, Sequence, Union

import pyarrow as pa
import pyarrow.compute as pc

from dai_spark.errors import ColumnError
from dai_spark.pipeline import PipelineColumn

__all__ = ["cast_batch", "check_columns", "lossy_columns"]


class _Refused(NamedTuple):
    why: str


def _sent_as(
    found: Union[pa.DataType, str], wanted: PipelineColumn
) -> Union[pa.DataType, _Refused]:
    """The Arrow type in which a column goes to the pipeline: the table at the top of this file."""
    if isinstance(found, str):
        return _Refused(f"{found}; cast it to {'double' if wanted.is_number else 'string'}")
    if pa.types.is_dictionary(found):
        found = found.value_type
    if wanted.is_number:
        if pa.types.is_float32(found) or pa.types.is_float16(found):
            return pa.float32()
        if (
            pa.types.is_null(found)
            or pa.types.is_boolean(found)
            or pa.types.is_integer(found)
            or pa.types.is_float64(found)
            or pa.types.is_decimal(found)
        ):
            return pa.float64()
        if _is_text(found):
            return _Refused("text; cast it to double where it holds numbers")
        return _Refused(f"{found}; cast it to double")
    if pa.types.is_null(found) or _is_text(found) or pa.types.is_integer(found):
        return pa.string()
    if pa.types.is_date(found) or pa.types.is_timestamp(found):
        return pa.string()
    return _Refused(f"{found}; cast it to string in the form that the pipeline was trained on")


def _is_text(found: pa.DataType) -> bool:
    # Newer pyarrow has more of them (string_view), which an old sidecar cannot read.
    return (
        pa.types.is_string(found) or pa.types.is_large_string(found) or str(found) == "string_view"
    )


def check_columns(
    types: Mapping[str, Union[pa.DataType, str]], wanted: Mapping[str, PipelineColumn], where: str
) -> None:
    """Refuse a table that lacks columns of the pipeline or has them of types it cannot be given.

    Runs on the driver before a task starts, and in a task on its first batch.

    Parameters
    ----------
    types : mapping of str to pyarrow.DataType or str
        Of the table's columns; text where Arrow has no such type.  Names must match in case.
    wanted : mapping of str to PipelineColumn
    where : str
        What the message calls the table.

    Raises
    ------
    ColumnError
        Names every missing and every uncastable column at once.
    """
    missing = [name for name in wanted if name not in types]
    refused = []
    for name, column in wanted.items():
        if name in types:
            verdict = _sent_as(types[name], column)
            if isinstance(verdict, _Refused):
                kind = "a number" if column.is_number else "text"
                refused.append(f"{name} (the pipeline wants {kind}, found {verdict.why})")
    if not missing and not refused:
        return
    parts = []
    if missing:
        parts.append(
            f"lacks {_list(missing)} of the {len(wanted)} columns that the pipeline reads by name"
            f"{_near_misses(missing, types)}"
        )
    if refused:
        parts.append(f"has columns of types that the pipeline cannot be given: {_list(refused)}")
    raise ColumnError(f"{where} {' and '.join(parts)}.")


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:50])
    return shown if len(names) <= 50 else f"{shown}, and {len(names) - 50} more"


def _near_misses(missing: Iterable[str], types: Iterable[str]) -> str:
    lower = {name.lower(): name for name in types}
    near = [f"{lower[m.lower()]} for {m}" for m in missing if m.lower() in lower]
    return f" (names must match in case: found {_list(near)})" if near else ""


def lossy_columns(
    types: Mapping[str, Union[pa.DataType, str]], wanted: Mapping[str, PipelineColumn]
) -> List[str]:
    """Columns whose digits may not all reach the pipeline: decimals, which become floats."""

    def is_decimal(name: str) -> bool:
        found = types.get(name, "")
        return not isinstance(found, str) and bool(pa.types.is_decimal(found))

    return [name for name, column in wanted.items() if column.is_number and is_decimal(name)]


def cast_batch(
    batch: pa.RecordBatch, wanted: Mapping[str, PipelineColumn], rows: str
) -> pa.RecordBatch:
    """Pick the pipeline's columns out of a batch, in its order, in the types that it is sent.

    Runs in the Python worker, once a batch, after `check_columns`.

    Raises
    ------
    ColumnError
        A value that its type cannot carry; names column and rows.
    """
    arrays = []
    for name, column in wanted.items():
        found = batch.column(batch.schema.get_field_index(name))
        try:
            arrays.append(_cast(found, column))
        except pa.ArrowInvalid as error:
            raise ColumnError(
                f"Column {name} holds a value in {rows} that the pipeline cannot be given "
                f"unchanged ({error}); cast the column (to string or double, rounding as you mean "
                "it) before scoring.",
                cause=f"Column {name} holds a value that the pipeline cannot be given unchanged: "
                f"{error}",
            ) from None
    return pa.RecordBatch.from_arrays(arrays, names=list(wanted))


def _cast(found: pa.Array, column: PipelineColumn) -> pa.Array:
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    to = _sent_as(found.type, column)
    assert not isinstance(to, _Refused), "check_columns runs first"
    if found.type == to:
        return found
    if pa.types.is_boolean(found.type):
        return found.cast(pa.uint8()).cast(to)
    if pa.types.is_decimal(found.type):
        return found.cast(to, safe=False)
    if pa.types.is_timestamp(found.type):
        # A safe cast: it raises where a fraction of a second would be cut off.
        whole = found.cast(pa.timestamp("s", found.type.tz))
        return pc.strftime(whole, format="%Y-%m-%d %H:%M:%S").cast(to)
    return found.cast(to)
