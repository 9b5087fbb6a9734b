"""What a pipeline's rows and predictions are, as JSON Schema, with the export's own examples."""

import contextlib
from typing import Any, Dict, Iterable, List, Mapping, Optional

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn

__all__ = ["example_rows", "prediction_schema", "rows_schema"]


def rows_schema(wanted: Iterable[PipelineColumn]) -> Dict[str, Any]:
    """JSON Schema of a list of records that `dai_spark.row_formats.json_rows` reads.

    Parameters
    ----------
    wanted : iterable of PipelineColumn
    """
    columns = list(wanted)
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {column.name: _column_schema(column) for column in columns},
            "required": [column.name for column in columns],
        },
    }


def _column_schema(column: PipelineColumn) -> Dict[str, Any]:
    if not column.is_known:
        kinds = ["number", "string", "null"]
    elif column.is_number:
        kinds = ["integer" if column.is_integer else "number", "null"]
    else:
        kinds = ["string", "null"]
    found: Dict[str, Any] = {"type": kinds}
    examples = [value for value in map(_example(column), column.samples) if value is not None]
    if examples:
        found["examples"] = list(dict.fromkeys(examples))[:3]
    return found


def example_rows(wanted: Iterable[PipelineColumn], n_rows: int = 2) -> List[Dict[str, Any]]:
    """Rows of the export's own example as JSON holds them; null where it has none.

    Parameters
    ----------
    wanted : iterable of PipelineColumn
    n_rows : int, default 2
        The most; at least one row is there.
    """
    columns = list(wanted)
    n_there = max((len(column.samples) for column in columns), default=0)
    return [
        {
            column.name: _example(column)(column.samples[i]) if i < len(column.samples) else None
            for column in columns
        }
        for i in range(max(1, min(n_rows, n_there)))
    ]


def _example(column: PipelineColumn) -> Any:
    def value(text: Optional[str]) -> Any:
        if text is None or not column.is_number:
            return text
        with contextlib.suppress(ValueError):
            number = float(text)
            if number - number == 0:
                return int(number) if number.is_integer() and abs(number) < 2**53 else number
        return None

    return value


def prediction_schema(schema: pa.Schema) -> Dict[str, Any]:
    """JSON Schema of a list of predictions.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of a prediction, see `dai_spark.schema.prediction.PredictionShape`.
    """
    properties: Mapping[str, Any] = {field.name: _field_schema(field.type) for field in schema}
    return {
        "type": "array",
        "items": {"type": "object", "properties": properties, "required": schema.names},
    }


def _field_schema(kind: pa.DataType) -> Dict[str, Any]:
    if pa.types.is_floating(kind):
        width = "float" if pa.types.is_float32(kind) else "double"
        return {"type": ["number", "null"], "format": width}
    if pa.types.is_integer(kind):
        return {"type": ["integer", "null"]}
    if pa.types.is_boolean(kind):
        return {"type": ["boolean", "null"]}
    if pa.types.is_map(kind):
        return {"type": ["object", "null"], "additionalProperties": _field_schema(kind.item_type)}
    return {"type": ["string", "null"]}
