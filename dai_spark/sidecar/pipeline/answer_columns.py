"""A column of a pipeline's answer as an Arrow array, exactly, or an error that names the value.

::

    float16, float32                  float            NaN stays NaN: it did answer
    float64                           double
    int8, int16, int32, uint8, uint16 int32
    int64, uint32, and uint64 below 2**63  int64
    bool                              bool
    nullable, sparse                  as the type within; null, and NaN where that is a float
    category                          as its categories
    objects                           texts, else all of them numbers, else all booleans; null is
                                      None, NaN or NA
    anything else                     refused
"""

from typing import Any, Dict, Optional

import numpy as np
import pandas as pd
import pyarrow as pa

_EXACT_INTEGERS = 1 << 53
_MOST_INTEGER = (1 << 63) - 1
# The types that a column of an answer has on the wire, by numpy's kind and size.
_ARROW_TYPES = {
    "f2": (pa.float32(), "float32"),
    "f4": (pa.float32(), "float32"),
    "f8": (pa.float64(), "float64"),
    "i1": (pa.int32(), "int32"),
    "i2": (pa.int32(), "int32"),
    "i4": (pa.int32(), "int32"),
    "u1": (pa.int32(), "int32"),
    "u2": (pa.int32(), "int32"),
    "i8": (pa.int64(), "int64"),
    "u4": (pa.int64(), "int64"),
    "u8": (pa.int64(), "int64"),
    "b1": (pa.bool_(), "bool"),
}


def arrow_array(name: str, series: Any) -> Any:
    """Convert one column of an answer, value for value.

    Parameters
    ----------
    name : str
    series : pandas.Series

    Raises
    ------
    TypeError, ValueError
        Its type, or a value in it, has no place in a table; names column, row and type.
    """
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return _of_objects(name, series.values)
        return _of_numbers(name, series.values, None)
    if hasattr(series, "cat"):
        codes = np.asarray(series.cat.codes)
        categories = np.asarray(series.cat.categories)
        if not len(categories):
            return _of_objects(name, np.full(len(series), None, dtype=object))
        values = categories.take(np.where(codes < 0, 0, codes))
        if categories.dtype.kind == "O":
            values[codes < 0] = None
            return _of_objects(name, values)
        return _of_numbers(name, values, codes < 0)
    within = getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", None))
    if isinstance(within, np.dtype) and within.kind in "fiub":
        values = np.array(series, dtype=object)
        is_null = np.asarray(pd.isnull(values))
        values[is_null] = 0
        return _of_numbers(name, values.astype(within), is_null)
    if str(dtype).partition("[")[0] in ("string", "str", "large_string"):
        return _of_objects(name, np.asarray(series, dtype=object))
    raise _no_place(name, str(dtype))


def _no_place(name: str, kind: str) -> TypeError:
    return TypeError(
        "the pipeline answered column {!r} with type {}, which has no place in a table".format(
            name, kind
        )
    )


def _of_numbers(name: str, values: Any, is_null: Optional[Any]) -> Any:
    code = "{}{}".format(values.dtype.kind, values.dtype.itemsize)
    if code not in _ARROW_TYPES:
        raise _no_place(name, str(values.dtype))
    arrow_type, native = _ARROW_TYPES[code]
    if code == "u8" and len(values) and int(values.max()) > _MOST_INTEGER:
        row = int(np.argmax(values))
        raise ValueError(
            "the pipeline answered column {!r} of row {} with {}, which is no int64".format(
                name, row, values[row]
            )
        )
    values = np.ascontiguousarray(values, dtype=native)
    if is_null is None or not is_null.any():
        return pa.array(values, type=arrow_type, from_pandas=False)
    if values.dtype.kind == "f":
        values = np.where(is_null, values.dtype.type("nan"), values)
        return pa.array(values, type=arrow_type, from_pandas=False)
    return pa.array(values, type=arrow_type, mask=np.asarray(is_null, dtype=bool))


def _of_objects(name: str, values: Any) -> Any:
    found = np.empty(len(values), dtype=object)
    is_null = np.zeros(len(values), dtype=bool)
    kinds: Dict[str, int] = {}
    for row, value in enumerate(values):
        kind = _kind(value)
        is_null[row] = kind is None
        found[row] = None if kind is None else value
        if kind is not None:
            kinds.setdefault(kind, row)
    for kind, row in sorted(kinds.items(), key=lambda item: item[1]):
        if kind not in ("text", "bool", "integer", "float"):
            raise TypeError(
                "the pipeline answered column {!r} of row {} with a value of type {}, which has no "
                "place in a table".format(name, row, kind)
            )
    if not kinds or set(kinds) == {"text"}:
        for row, value in enumerate(found):
            found[row] = None if value is None else _text(name, row, value)
        return pa.array(list(found), type=pa.string())
    if set(kinds) == {"bool"}:
        return pa.array([None if v is None else bool(v) for v in found], type=pa.bool_())
    if set(kinds) == {"integer"}:
        for row, value in enumerate(found):
            if value is not None and not -_MOST_INTEGER - 1 <= int(value) <= _MOST_INTEGER:
                raise ValueError(
                    "the pipeline answered column {!r} of row {} with an integer that is no "
                    "int64".format(name, row)
                )
        return pa.array([None if v is None else int(v) for v in found], type=pa.int64())
    if set(kinds) <= {"integer", "float"}:
        for row, value in enumerate(found):
            if _kind(value) == "integer" and abs(int(value)) > _EXACT_INTEGERS:
                raise ValueError(
                    "the pipeline answered column {!r} of row {} with an integer among floats that "
                    "no float is equal to".format(name, row)
                )
        numbers = [float("nan") if v is None else float(v) for v in found]
        return pa.array(np.array(numbers, dtype="float64"), from_pandas=False)
    (one, first), (other, second) = sorted(kinds.items(), key=lambda item: item[1])[:2]
    raise TypeError(
        "the pipeline answered column {!r} with values of several types: {} in row {}, {} in row "
        "{}".format(name, one, first, other, second)
    )


def _kind(value: Any) -> Optional[str]:
    if value is None or value is getattr(pd, "NA", None):
        return None
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, (int, np.integer)):
        return "integer"
    if isinstance(value, (float, np.float16, np.float32)):
        # In a column of objects NaN is what pandas calls missing.
        return None if value != value else "float"
    return type(value).__name__


def _text(name: str, row: int, value: str) -> str:
    try:
        str.encode(value, "utf-8")
    except UnicodeEncodeError:
        raise ValueError(
            "the pipeline answered column {!r} of row {} with a text that is not valid "
            "Unicode".format(name, row)
        ) from None
    return value
