"""Names and types of columns as a format takes them, and as a table spells them."""

import re
from typing import TYPE_CHECKING, Any, Dict, Sequence

from dai_spark.table_job.settings.spelling import as_spelt

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

__all__ = ["REFUSED_BY_DELTA", "named_like", "safe_name", "safe_type"]

# A Delta table without column mapping refuses them in names at every level.
REFUSED_BY_DELTA = " ,;{}()\n\t="


def safe_name(name: str, unsafe: str) -> str:
    """Return a name with underscores for the characters that a format refuses.

    Parameters
    ----------
    name : str
    unsafe : str
        These characters; empty where it refuses none.
    """
    return re.sub(f"[{re.escape(unsafe)}]", "_", name) if unsafe else name


def safe_type(kind: "DataType", unsafe: str) -> "DataType":
    """Return a type with the names of its fields, at every level, made safe.

    The original names stay readable, as comments of the fields.

    Parameters
    ----------
    kind : DataType
    unsafe : str
        See `safe_name`.
    """
    from pyspark.sql.types import ArrayType, MapType, StructField, StructType

    if isinstance(kind, StructType):
        fields = []
        for field in kind.fields:
            name = safe_name(field.name, unsafe)
            metadata: Dict[str, Any] = dict(field.metadata or {})
            if name != field.name:
                metadata["comment"] = field.name
            inner = safe_type(field.dataType, unsafe)
            fields.append(StructField(name, inner, field.nullable, metadata))
        return StructType(fields)
    if isinstance(kind, ArrayType):
        return ArrayType(safe_type(kind.elementType, unsafe), kind.containsNull)
    if isinstance(kind, MapType):
        value = safe_type(kind.valueType, unsafe)
        return MapType(safe_type(kind.keyType, unsafe), value, kind.valueContainsNull)
    return kind


def named_like(name: str, columns: Sequence[str]) -> str:
    """Return the column of a table that a run has written a source's column into.

    Parameters
    ----------
    name : str
        The source's.
    columns : sequence of str
        The table's, whatever its format is.
    """
    for candidate in (name, safe_name(name, REFUSED_BY_DELTA)):
        found = as_spelt(candidate, columns)
        if found in columns:
            return found
    return name
