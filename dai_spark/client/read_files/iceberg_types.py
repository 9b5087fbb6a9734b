"""Which columns of an Iceberg table's files Iceberg's reader and Arrow's read alike: one table.

================  ==========================  =========================  ======================
Iceberg's type    Spark's                     what the file holds        Arrow's type of it
================  ==========================  =========================  ======================
boolean           boolean                     BOOLEAN                    bool
int               int                         INT32                      int32
long              bigint                      INT64                      int64
long, once int    bigint                      INT32                      int32
float             float                       FLOAT                      float
double            double                      DOUBLE                     double
double, once      double                      FLOAT                      float
float
decimal(p, s)     decimal(p, s)               INT32, INT64 or            decimal128(q, s), where
                                              FIXED_LEN_BYTE_ARRAY,      q is at most p
                                              DECIMAL(q, s)
date              date                        INT32, DATE                date32
timestamp         timestamp_ntz               INT64, TIMESTAMP(micros,   timestamp(us)
                                              local)
timestamptz       timestamp                   INT64, TIMESTAMP(micros,   timestamp(us, a zone)
                                              UTC)
string            string                      BYTE_ARRAY, STRING         string, large_string,
                                                                         a dictionary of them
binary            binary                      BYTE_ARRAY, plain          binary, large_binary
================  ==========================  =========================  ======================

Everything else is Spark's to read: UUID, fixed, time, nanoseconds, what is nested, variants.

Iceberg counts days by one calendar, whoever has written a file and whatever Spark's settings say,
so that what `file_types` has of calendars does not matter here.
"""

import re

import pyarrow as pa

from dai_spark.client.read_files.file_types import are_alike

__all__ = ["are_alike_to_iceberg", "spark_kind"]

_SPARK_KINDS = {
    "boolean": "boolean",
    "int": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp_ntz",
    "timestamptz": "timestamp",
    "string": "string",
    "binary": "binary",
}
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
# A type that a column may have had before, and the file's physical type that shows it.
_ONCE = {("bigint", "INT32"): "int", ("double", "FLOAT"): "float"}
_PLAIN_NUMBERS = ("none", "int32", "int64")
_DECIMAL_PHYSICAL = ("INT32", "INT64", "FIXED_LEN_BYTE_ARRAY")


def spark_kind(kind: str) -> str:
    """Spark's type of an Iceberg type, as its `simpleString` has it; empty where none is known.

    Parameters
    ----------
    kind : str
        As Iceberg's JSON has it.
    """
    match = _DECIMAL.fullmatch(kind)
    if match is not None:
        return f"decimal({match.group(1)},{match.group(2)})"
    return _SPARK_KINDS.get(kind, "")


def are_alike_to_iceberg(kind: str, physical: str, logical: str, arrow: pa.DataType) -> bool:
    """Whether both readers give the same values of a column, as it is or promoted.

    Parameters
    ----------
    kind : str
        Spark's type, as its `simpleString` has it.
    physical, logical : str
        The file's; see `dai_spark.client.read_files.file_types.logical_of`.
    arrow : pyarrow.DataType
    """
    if kind.startswith("decimal"):
        return physical in _DECIMAL_PHYSICAL and _is_decimal_within(kind, logical, physical, arrow)
    if kind in ("int", "bigint") and logical not in _PLAIN_NUMBERS:
        return False
    if pa.types.is_timestamp(arrow) and (physical != "INT64" or arrow.unit != "us"):
        return False
    return are_alike(_ONCE.get((kind, physical), kind), physical, logical, arrow)


def _is_decimal_within(kind: str, logical: str, physical: str, arrow: pa.DataType) -> bool:
    wanted, found = _DECIMAL.fullmatch(kind), _DECIMAL.fullmatch(logical)
    if wanted is None or found is None or not are_alike(logical, physical, logical, arrow):
        return False
    is_same_scale = found.group(2) == wanted.group(2)
    return is_same_scale and int(found.group(1)) <= int(wanted.group(1))
