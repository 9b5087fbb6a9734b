"""SQL that compares values of any type: Spark itself compares neither maps nor variants."""

from typing import TYPE_CHECKING, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.errors import TableJobError

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

__all__ = ["check_comparable", "comparable"]

# Types that have no order in Spark, by the beginnings of their short names.
_UNORDERED = ("map", "variant", "interval", "geometry", "geography", "object", "void")


def comparable(expression: str, kind: "DataType") -> str:
    """Return an expression that is equal where the values are, of a type that ``<=>`` takes.

    Maps become arrays of entries in the order of their keys, variants their text and their type.

    Parameters
    ----------
    expression : str
        SQL.
    kind : DataType
        Its type.
    """
    return _comparable(expression, kind, 0)


def check_comparable(schema: "StructType", key: Sequence[str]) -> None:
    """Refuse a key whose values Spark cannot compare.

    Parameters
    ----------
    schema : StructType
    key : sequence of str
        Columns of it.

    Raises
    ------
    TableJobError
    """
    unordered = [
        f"{name} ({schema[name].dataType.simpleString()})"
        for name in key
        if name in schema.fieldNames() and _has_unordered(schema[name].dataType)
    ]
    if unordered:
        raise TableJobError(
            f"Spark cannot compare values of --key {', '.join(unordered)}, so they tell no rows "
            "apart; give another key."
        )


def _comparable(expression: str, kind: "DataType", depth: int) -> str:
    from pyspark.sql.types import ArrayType, MapType, StructType

    if not _has_unordered(kind):
        return expression
    x = f"x{depth}"
    if isinstance(kind, ArrayType):
        inner = _comparable(x, kind.elementType, depth + 1)
        return f"transform({expression}, {x} -> {inner})"
    if isinstance(kind, MapType):
        key = _comparable(f"{x}.key", kind.keyType, depth + 1)
        value = _comparable(f"{x}.value", kind.valueType, depth + 1)
        entries = f"transform(map_entries({expression}), {x} -> struct({key}, {value}))"
        return f"array_sort({entries})"
    if isinstance(kind, StructType):
        fields = ", ".join(
            _comparable(f"{expression}.{quoted(field.name)}", field.dataType, depth)
            for field in kind.fields
        )
        return f"CASE WHEN {expression} IS NOT NULL THEN struct({fields}) END"
    if kind.simpleString() == "variant":
        return f"struct(to_json({expression}), schema_of_variant({expression}))"
    return f"cast({expression} AS STRING)"


def _has_unordered(kind: "DataType") -> bool:
    from pyspark.sql.types import ArrayType, StructType

    if isinstance(kind, ArrayType):
        return _has_unordered(kind.elementType)
    if isinstance(kind, StructType):
        return any(_has_unordered(field.dataType) for field in kind.fields)
    name = kind.simpleString()
    # Intervals of months, or of days, have an order; the old one of both has none.
    return name == "interval" or (name.startswith(_UNORDERED) and not name.startswith("interval "))
