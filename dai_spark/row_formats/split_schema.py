"""What columns and rows, and predictions and their columns, are: as Odahu's images tell it."""

from typing import Any, Dict, List, Mapping, Sequence

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.row_formats.json_schema import example_rows, rows_schema

__all__ = ["prediction_split_schema", "split_schema"]


def split_schema(columns: Mapping[str, PipelineColumn]) -> Dict[str, Any]:
    """Fields ``columns`` and ``data`` of what goes in, with rows of the export's own example.

    Parameters
    ----------
    columns : mapping of str to PipelineColumn
    """
    rows = example_rows(columns.values())
    types = rows_schema(columns.values())["items"]["properties"]
    return {
        "columns": _list_of({"type": "string"}, list(columns)),
        "data": _list_of(
            # Values of a row have types of their own, which Swagger 2.0 has no word for.
            {"type": "array", "items": {"x-types": [one["type"] for one in types.values()]}},
            [list(row.values()) for row in rows],
        ),
    }


def prediction_split_schema(output_names: Sequence[str]) -> Dict[str, Any]:
    """Fields ``prediction`` and ``columns`` of what comes out.

    Parameters
    ----------
    output_names : sequence of str
        Columns of a prediction.
    """
    names = list(output_names)
    return {
        "prediction": _list_of({"type": "array", "items": {}}, [[0] * len(names)]),
        "columns": _list_of({"type": "string"}, names),
    }


def _list_of(items: Dict[str, Any], example: List[Any]) -> Dict[str, Any]:
    return {"type": "array", "items": items, "example": example}
