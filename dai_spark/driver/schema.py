"""Spark's side of the column table: schemas to what `dai_spark.schema.columns` checks, and back."""

from typing import TYPE_CHECKING, Dict, Union

import pyarrow as pa

from dai_spark.schema.prediction import PredictionShape

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructField, StructType

__all__ = ["arrow_types", "prediction_type", "quoted", "sql_columns", "sql_text", "sql_type"]


def arrow_types(schema: "StructType") -> Dict[str, Union[pa.DataType, str]]:
    """The Arrow type of each column as Spark will send it; its Spark name where Arrow has none."""
    from pyspark.sql.pandas.types import to_arrow_type

    found: Dict[str, Union[pa.DataType, str]] = {}
    for column in schema.fields:
        try:
            found[column.name] = to_arrow_type(column.dataType)
        except Exception:  # noqa: BLE001 - which class differs between Spark versions
            found[column.name] = column.dataType.simpleString()
    return found


def prediction_type(shape: PredictionShape) -> "StructType":
    """The struct of a prediction, in its order, of its types.

    Built field by field: the names hold dots, spaces and commas, which no parser may see.
    """
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(f.name, from_arrow_type(f.type)) for f in shape.schema])


def sql_type(kind: "DataType") -> str:
    """A type as SQL writes it; unlike Spark's own short form, with the names of fields quoted."""
    from pyspark.sql import types as t

    if isinstance(kind, t.StructType):
        fields = (f"{quoted(f.name)}: {sql_type(f.dataType)}{_comment(f)}" for f in kind.fields)
        return f"STRUCT<{', '.join(fields)}>"
    if isinstance(kind, t.ArrayType):
        return f"ARRAY<{sql_type(kind.elementType)}>"
    if isinstance(kind, t.MapType):
        return f"MAP<{sql_type(kind.keyType)}, {sql_type(kind.valueType)}>"
    return kind.simpleString()


def sql_columns(schema: "StructType") -> str:
    """The columns of a table as CREATE TABLE takes them, with their comments."""
    return ", ".join(f"{quoted(f.name)} {sql_type(f.dataType)}{_comment(f)}" for f in schema.fields)


def sql_text(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _comment(field: "StructField") -> str:
    comment = (field.metadata or {}).get("comment")
    return f" COMMENT {sql_text(comment)}" if comment else ""


def quoted(name: str) -> str:
    """A column's name as an expression names it, whatever it holds."""
    return "`" + name.replace("`", "``") + "`"
