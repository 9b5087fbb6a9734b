"""``/invocations`` of MLflow, SageMaker and Vertex: one body parser for the three."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dai_spark._version import __version__
from dai_spark.errors import DaiSparkError, RequestError
from dai_spark.row_formats.json_rows import table_of_columns, table_of_records, table_of_split
from dai_spark.row_formats.prediction_bytes import json_bytes
from dai_spark.row_formats.row_formats import FORMATS
from dai_spark.row_formats.strict_json import json_value
from dai_spark.serving.http.accepted import accepted_format, given_format
from dai_spark.serving.http.call_words import words_of_params
from dai_spark.serving.http.documented import PREDICTIONS, ROWS, Documented, object_of
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.served_model import ServedModel

__all__ = ["invocations_protocol"]

_FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
# What Vertex calls MLflow's params.
_PARAMS = ("params", "parameters")
_CODES = {400: "BAD_REQUEST", 413: "BAD_REQUEST", 429: "RESOURCE_EXHAUSTED", 504: "INTERNAL_ERROR"}


def invocations_protocol(
    calls: HttpCalls,
    predict_paths: Sequence[str] = ("/invocations",),
    health_paths: Sequence[str] = ("/ping", "/health"),
) -> Protocol:
    """The paths that MLflow's scoring server has; Vertex names its own.

    Parameters
    ----------
    calls : HttpCalls
    predict_paths, health_paths : sequence of str
    """

    async def invoke(request: Request) -> Response:
        model = calls.model()
        given = given_format(request.headers.get("content-type"))
        body = await calls.body(request)
        words: Dict[str, Any] = {}
        if given.name == "json":
            table, words = await calls.apart(len(body), _read, body, model)
        else:
            table = await calls.apart(len(body), given.read, body, model.columns, ())
        scored = await calls.score(request, model, table, words)
        # MLflow answers CSV with JSON; who wants something else says so.
        usual = FORMATS["json"] if given.name == "csv" else given
        wanted = accepted_format(request.headers.get("accept"), usual)
        headers = {"X-Model-Digest": model.digest}
        if wanted.name == "json":
            told = await calls.apart(scored.nbytes, json_bytes, scored)
            content = b'{"predictions":' + told + b"}"
            return Response(content, media_type="application/json", headers=headers)
        content = await calls.apart(scored.nbytes, wanted.write, scored)
        return Response(content, media_type=wanted.media_types[0], headers=headers)

    async def health(request: Request) -> Response:
        calls.model()
        return PlainTextResponse("\n")

    async def version(request: Request) -> Response:
        return PlainTextResponse(__version__)

    def paths(documented: Documented) -> Dict[str, Any]:
        error = object_of(error_code={"type": "string"}, message={"type": "string"})
        split = {"columns": documented.columns, "data": documented.as_lists()}
        body = {
            "type": "object",
            "properties": {
                "dataframe_split": object_of(
                    columns={"type": "array", "items": {"type": "string"}},
                    data={"type": "array", "items": {"type": "array"}},
                ),
                "dataframe_records": ROWS,
                "inputs": {"type": ["object", "array"]},
                "instances": ROWS,
                "params": {"type": "object"},
            },
        }
        score = documented.operation(
            "Score rows in any form of MLflow's, SageMaker's and Vertex's",
            object_of(predictions=PREDICTIONS),
            body=body,
            example={"dataframe_split": split},
            more_bodies={"text/csv": {"schema": {"type": "string"}}},
            error=error,
        )
        text = {"type": "string"}
        ping = documented.operation("Whether it is ready", text, media_type="text/plain")
        told = documented.operation("Of this server", text, media_type="text/plain")
        return {
            **{path: {"post": score} for path in predict_paths},
            **{path: {"get": ping} for path in health_paths},
            "/version": {"get": told},
        }

    routes: List[Route] = [
        *(Route(path, invoke, methods=["POST"]) for path in predict_paths),
        *(Route(path, health, methods=["GET"]) for path in health_paths),
        Route("/version", version, methods=["GET"]),
    ]
    return Protocol("invocations", routes, _error, paths)


def rows_and_words(value: Any, model: ServedModel) -> Tuple[pa.Table, Dict[str, Any]]:
    """The rows of a body of JSON, and the options beside them.

    Raises
    ------
    RequestError
        It has none, or several, of the forms that rows may have.
    ColumnError, OptionError
    """
    if not isinstance(value, Mapping):
        raise RequestError(
            f"The body must be an object with one of {', '.join(_FORMS)}, and is a "
            f"{type(value).__name__}."
        )
    forms = [name for name in _FORMS if name in value]
    others = [name for name in value if name not in (*_FORMS, *_PARAMS)]
    if len(forms) != 1 or others:
        found = ", ".join(map(repr, [*forms, *others])) or "none of them"
        raise RequestError(
            f"The body must have exactly one of {', '.join(_FORMS)}, beside params; it has {found}."
        )
    params = [value[name] for name in _PARAMS if name in value]
    words = words_of_params(params[0] if params else None)
    rows, columns = value[forms[0]], model.columns
    if forms[0] == "dataframe_split":
        if not isinstance(rows, Mapping) or "columns" not in rows or "data" not in rows:
            raise RequestError('dataframe_split must be an object with "columns" and "data".')
        return table_of_split(rows["columns"], rows["data"], columns), words
    if isinstance(rows, Mapping):
        if any(isinstance(found, list) for found in rows.values()):
            return table_of_columns(rows, columns), words
        return table_of_records([rows], columns), words
    return table_of_records(rows, columns), words


def _read(body: bytes, model: ServedModel) -> Tuple[pa.Table, Dict[str, Any]]:
    return rows_and_words(json_value(body, nan_is_null=True), model)


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    code = _CODES.get(status, "INTERNAL_ERROR")
    return JSONResponse({"error_code": code, "message": error.message}, status)
