"""Documented: what OpenAPI says of the pipeline, for each protocol to say of itself."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

import pyarrow as pa

from dai_spark.row_formats.json_schema import example_rows, prediction_schema, rows_schema
from dai_spark.serving.served_model import ServedModel

__all__ = ["JSON", "PREDICTIONS", "ROWS", "Documented", "array_of", "object_of"]

JSON = "application/json"
ROWS: Dict[str, Any] = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
PREDICTIONS: Dict[str, Any] = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/Prediction"},
}
_OPTIONS: Dict[str, Dict[str, Any]] = {
    "labels": {"type": "boolean"},
    "threshold": {"type": "number", "minimum": 0, "maximum": 1},
    "margin": {"type": "boolean"},
    "contributions": {"type": "string", "enum": ["transformed", "original"]},
    "intervals": {"type": "boolean"},
    "probabilities": {"type": "string", "enum": ["columns", "map"]},
    "fast_approx": {"type": "boolean"},
}


class Documented:
    """A pipeline's columns, predictions and examples, and operations made of them.

    Parameters
    ----------
    model : ServedModel
    schema : pyarrow.Schema
        Of a prediction.
    """

    def __init__(self, model: ServedModel, schema: pa.Schema) -> None:
        self.model = model
        self.columns = list(model.columns)
        self.outputs: List[str] = list(schema.names)
        self.rows = example_rows(model.columns.values())
        self.schemas: Dict[str, Any] = {
            "Row": rows_schema(model.columns.values())["items"],
            # None is required: options add columns, or put others in their place.
            "Prediction": {
                "type": "object",
                "properties": prediction_schema(schema)["items"]["properties"],
            },
        }

    def as_lists(self) -> List[List[Any]]:
        """The example's rows as lists, in the order of `columns`."""
        return [list(row.values()) for row in self.rows]

    def query_options(self) -> List[Dict[str, Any]]:
        """Options of a call as parameters of a query."""
        return [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in _OPTIONS.items()
        ]

    def path_names(self, *names: str) -> List[Dict[str, Any]]:
        """Parameters of a path: the model's name, and its version."""
        values = {"name": self.model.name, "version": self.model.digest[:12]}
        return [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": [values[name]]},
            }
            for name in names
        ]

    def operation(
        self,
        summary: str,
        answer: Mapping[str, Any],
        *,
        body: Optional[Mapping[str, Any]] = None,
        example: Any = None,
        more_bodies: Optional[Mapping[str, Any]] = None,
        parameters: Sequence[Mapping[str, Any]] = (),
        error: Optional[Mapping[str, Any]] = None,
        told: str = "",
        media_type: str = JSON,
    ) -> Dict[str, Any]:
        """One operation of the document.

        Parameters
        ----------
        summary : str
        answer : mapping
            JSON Schema of the answer.
        body, example : mapping and object, optional
            JSON Schema of a body of JSON, and one that is answered.
        more_bodies : mapping, optional
            Bodies of other media types.
        parameters : sequence of mapping
        error : mapping, optional
            JSON Schema of the answer to a request that failed.
        told : str
            What else is to be said.
        media_type : str
            Of the answer.
        """
        found: Dict[str, Any] = {
            "summary": summary,
            "responses": {
                "200": {"description": "Done", "content": {media_type: {"schema": dict(answer)}}},
                "default": {
                    "description": "What is wrong, in a sentence: 400 for a request that cannot "
                    "be meant, 429 and 503 for one that may come again, 504 for a late one",
                    "content": {JSON: {"schema": dict(error or {"type": "object"})}},
                },
            },
        }
        if told:
            found["description"] = told
        if parameters:
            found["parameters"] = [dict(one) for one in parameters]
        if body is not None:
            content = {JSON: {"schema": dict(body), "example": example}, **(more_bodies or {})}
            found["requestBody"] = {"required": True, "content": content}
        return found


def object_of(**properties: Any) -> Dict[str, Any]:
    """JSON Schema of an object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def array_of(items: Mapping[str, Any]) -> Dict[str, Any]:
    """JSON Schema of a list."""
    return {"type": "array", "items": dict(items)}
