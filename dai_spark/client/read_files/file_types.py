"""Which columns of a Parquet file give the same values by Spark's reader and by Arrow's: one table.

=================  ==================================  ========================================
Spark's type       what the file holds                 Arrow's type of it
=================  ==================================  ========================================
boolean            BOOLEAN                             bool
tinyint            INT32, INT(8, signed)               int8
smallint           INT32, INT(16, signed)              int16
smallint           INT32, INT(8, unsigned)             uint8
int                INT32, plain or INT(32, signed)     int32
int                INT32, INT(16, unsigned)            uint16
bigint             INT64, plain or INT(64, signed)     int64
bigint             INT32, INT(32, unsigned)            uint32
float, double      FLOAT, DOUBLE                       float, double
string             BYTE_ARRAY, STRING                  string, large_string, a dictionary of them
binary             BYTE_ARRAY, plain                   binary, large_binary
decimal(p, s)      INT32, INT64, FIXED_LEN_BYTE_ARRAY  decimal128(p, s)
                   or BYTE_ARRAY, DECIMAL(p, s)
date (1)           INT32, DATE                         date32
timestamp (1)      INT64, TIMESTAMP(millis or micros,  timestamp(ms or us, with a zone)
                   UTC)
timestamp (2)      INT96                               timestamp(ns), read as us
timestamp_ntz      INT64, TIMESTAMP(millis or micros,  timestamp(ms or us)
                   local)
=================  ==================================  ========================================

Everything else is Spark's to read: nanoseconds, unsigned integers of 64 bits, half floats, ENUM,
JSON, UUID, arrays, maps, structs, char and varchar, collated texts, intervals, variants, and a
column whose type is another one in one file than in the next.

1. Files that Spark before 3.0 has written, and those that it has written in its legacy mode, count
   days by the Julian calendar before 1582; Spark reckons them anew.  Files of other writers are
   told apart by ``spark.sql.parquet.datetimeRebaseModeInRead``, which must be CORRECTED.
2. The same with Spark before 3.1, its legacy mode for INT96, and
   ``spark.sql.parquet.int96RebaseModeInRead``; and with
   ``spark.sql.parquet.int96TimestampConversion`` Spark moves times of Impala's.
"""

import json
from typing import Any, List, NamedTuple, Tuple

import pyarrow as pa

__all__ = ["ALIKE", "CALENDAR_KINDS", "are_alike", "logical_of"]

# Spark's types whose values may be counted by another calendar.
CALENDAR_KINDS = ("date", "timestamp")

_NONE = "none"
_TEXTS = ("string", "large_string")


class _Alike(NamedTuple):
    """One row of the table: Spark's type, the file's, and names of Arrow's."""

    kind: str
    physical: Tuple[str, ...]
    logical: Tuple[str, ...]
    arrow: Tuple[str, ...]


ALIKE: List[_Alike] = [
    _Alike("boolean", ("BOOLEAN",), (_NONE,), ("bool",)),
    _Alike("tinyint", ("INT32",), ("int8",), ("int8",)),
    _Alike("smallint", ("INT32",), ("int16",), ("int16",)),
    _Alike("smallint", ("INT32",), ("uint8",), ("uint8",)),
    _Alike("int", ("INT32",), (_NONE, "int32"), ("int32",)),
    _Alike("int", ("INT32",), ("uint16",), ("uint16",)),
    _Alike("bigint", ("INT64",), (_NONE, "int64"), ("int64",)),
    _Alike("bigint", ("INT32",), ("uint32",), ("uint32",)),
    _Alike("float", ("FLOAT",), (_NONE,), ("float",)),
    _Alike("double", ("DOUBLE",), (_NONE,), ("double",)),
    _Alike("string", ("BYTE_ARRAY",), ("string",), _TEXTS),
    _Alike("binary", ("BYTE_ARRAY",), (_NONE,), ("binary", "large_binary")),
    _Alike("date", ("INT32",), ("date",), ("date32[day]",)),
    _Alike("timestamp", ("INT64",), ("utc",), ("timestamp[ms, tz]", "timestamp[us, tz]")),
    _Alike("timestamp", ("INT96",), (_NONE,), ("timestamp[us]", "timestamp[us, tz]")),
    _Alike("timestamp_ntz", ("INT64",), ("local",), ("timestamp[ms]", "timestamp[us]")),
]
_DECIMAL_PHYSICAL = ("INT32", "INT64", "FIXED_LEN_BYTE_ARRAY", "BYTE_ARRAY")


def are_alike(kind: str, physical: str, logical: str, arrow: pa.DataType) -> bool:
    """Whether both readers give the same values of a column.

    Parameters
    ----------
    kind : str
        Spark's type, as its `simpleString` has it.
    physical, logical : str
        The file's; see `logical_of`.
    arrow : pyarrow.DataType
        As `pyarrow.parquet` reads it, INT96 in microseconds.
    """
    if pa.types.is_dictionary(arrow):
        arrow = arrow.value_type
        if str(arrow) not in _TEXTS:
            return False
    if kind.startswith("decimal"):
        found = f"decimal({arrow.precision},{arrow.scale})" if pa.types.is_decimal128(arrow) else ""
        return physical in _DECIMAL_PHYSICAL and logical == found == kind
    name = _arrow_name(arrow)
    return any(
        row.kind == kind
        and physical in row.physical
        and logical in row.logical
        and name in row.arrow
        for row in ALIKE
    )


def logical_of(column: Any) -> str:
    """The logical type of a file's column in a word of the table's.

    Parameters
    ----------
    column : pyarrow.parquet.ColumnSchema
    """
    told = json.loads(column.logical_type.to_json())
    name = told["Type"].lower()
    if name == "int":
        return f"{'' if told['isSigned'] else 'u'}int{told['bitWidth']}"
    if name == "decimal":
        return f"decimal({told['precision']},{told['scale']})"
    if name == "timestamp":
        if told["timeUnit"] not in ("milliseconds", "microseconds"):
            return "timestamp of nanoseconds"
        return "utc" if told["isAdjustedToUTC"] else "local"
    return str(name)


def _arrow_name(arrow: pa.DataType) -> str:
    if not pa.types.is_timestamp(arrow):
        return str(arrow)
    return f"timestamp[{arrow.unit}{', tz' if arrow.tz is not None else ''}]"
