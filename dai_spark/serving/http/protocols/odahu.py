"""Odahu's REST images: ``GET /api/model/info`` and ``POST /api/model/invoke``."""

import json
from typing import Any, Dict, List, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError, RequestError
from dai_spark.row_formats.json_rows import table_of_split
from dai_spark.row_formats.prediction_bytes import json_bytes
from dai_spark.row_formats.split_schema import prediction_split_schema, split_schema
from dai_spark.row_formats.strict_json import json_value
from dai_spark.serving.http.call_words import words_of_query
from dai_spark.serving.http.documented import Documented, object_of
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.served_model import ServedModel

__all__ = ["odahu_protocol", "swagger_of"]

_INFO, _INVOKE = "/api/model/info", "/api/model/invoke"
_JSON = "application/json"


def odahu_protocol(calls: HttpCalls) -> Protocol:
    """Columns and rows in, predictions and their columns out; options in the query.

    Parameters
    ----------
    calls : HttpCalls
    """

    async def info(request: Request) -> Response:
        model = calls.model()
        if "text/html" in request.headers.get("accept", ""):
            # A browser: the page to try it.
            return RedirectResponse(f"/docs#{_INVOKE}")
        return JSONResponse(swagger_of(model, (await model.prediction_schema()).names))

    async def invoke(request: Request) -> Response:
        model = calls.model()
        value = json_value(await calls.body(request), nan_is_null=True)
        if not isinstance(value, Mapping) or "columns" not in value or "data" not in value:
            raise RequestError('The body must be an object with "columns" and "data".')
        words = words_of_query(dict(request.query_params))
        table = table_of_split(value["columns"], value["data"], model.columns)
        scored = await calls.score(request, model, table, words)
        columns = json.dumps(scored.column_names).encode()
        content = b'{"prediction":' + json_bytes(scored, "lists") + b',"columns":' + columns + b"}"
        return Response(content, media_type=_JSON, headers={"X-Model-Digest": model.digest})

    async def health(request: Request) -> Response:
        calls.model()
        return PlainTextResponse("\n")

    routes: List[Route] = [
        Route(_INFO, info, methods=["GET"]),
        Route(_INVOKE, invoke, methods=["POST"]),
        Route("/healthcheck", health, methods=["GET"]),
    ]
    return Protocol("odahu", routes, _error, _paths)


def _paths(documented: Documented) -> Dict[str, Any]:
    rows = {"type": "array", "items": {"type": "array"}}
    names = {"type": "array", "items": {"type": "string"}}
    error = object_of(message={"type": "string"})
    invoke = documented.operation(
        "Score columns and rows",
        object_of(prediction=rows, columns=names),
        body=object_of(columns=names, data=rows),
        example={"columns": documented.columns, "data": documented.as_lists()},
        parameters=documented.query_options(),
        error=error,
    )
    info = documented.operation(
        "The model as Swagger 2.0", object_of(swagger={"const": "2.0"}), error=error
    )
    return {_INFO: {"get": info}, _INVOKE: {"post": invoke}}


def swagger_of(model: ServedModel, output_names: List[str]) -> Dict[str, Any]:
    """The model as Swagger 2.0, which is what Odahu's catalogue reads.

    Parameters
    ----------
    model : ServedModel
    output_names : list of str
        Columns of a prediction.
    """
    return {
        "swagger": "2.0",
        "info": {
            "title": model.name,
            "description": f"Scoring pipeline {model.pipeline.experiment_id} of Driverless AI",
            "version": model.digest[:12],
        },
        "schemes": ["http", "https"],
        "paths": {
            _INFO: {
                "get": {
                    "summary": "Info",
                    "description": "Return a swagger info about model",
                    "produces": [_JSON],
                    "responses": {"200": {"description": "Info", "schema": {"type": "object"}}},
                }
            },
            _INVOKE: {
                "post": {
                    "summary": "Prediction",
                    "description": "Execute prediction",
                    "consumes": [_JSON],
                    "produces": [_JSON],
                    "parameters": [
                        {
                            "in": "body",
                            "name": "PredictionParameters",
                            "required": True,
                            "schema": _object(split_schema(model.columns)),
                        }
                    ],
                    "responses": {
                        "200": {
                            "description": "Results",
                            "schema": _object(prediction_split_schema(output_names)),
                        },
                        "400": {"description": "Rows that the pipeline cannot be given"},
                    },
                }
            },
        },
    }


def _object(properties: Dict[str, Any]) -> Dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    return JSONResponse({"message": error.message}, status)
