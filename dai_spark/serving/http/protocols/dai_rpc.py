"""``POST /rpc``: the JSON-RPC of Driverless AI's own ``http_server.py``.

What its clients rest on is kept: errors have code 1 and HTTP's status 200, an empty body has
status 400 and no answer, numbers are the doubles that Python makes of the pipeline's float32, and
an answer has no names of columns.  What is broken in it is mended: every text of JSON is read as
it stands, what is no JSON is answered (-32700), a row may be a list, and NaN is null.
"""

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError, RequestError, UnreadableRowsError
from dai_spark.row_formats.json_rows import table_of_records, table_of_split
from dai_spark.row_formats.prediction_bytes import json_lists
from dai_spark.row_formats.strict_json import json_value
from dai_spark.serving.http.documented import Documented, object_of
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.http_errors import status_of
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.served_model import ServedModel
from dai_spark.serving.watch.request_scope import current_scope

__all__ = ["dai_rpc_protocol"]

_FAILED = 1
_NO_JSON = -32700
# The server is not able to: proxies and clients act on these statuses.
_KEPT_STATUSES = (413, 429, 503, 504)
_SCORING = {"score": "row", "score_batch": "rows"}
_ASKING = ("get_hash", "get_target_labels", "get_column_names", "get_transformed_column_names")
_CONTRIBUTION = "contrib_"
_BIAS = "contrib_bias"


class _Call(NamedTuple):
    """What a body asks for."""

    id: Any
    method: str
    params: Mapping[str, Any]


class _CallError(Exception):
    """A body that is no call; `id` is the one to answer with."""

    def __init__(self, id: Any, message: str) -> None:
        super().__init__(message)
        self.id = id


def dai_rpc_protocol(calls: HttpCalls, strict: bool = False) -> Protocol:
    """The one path of Driverless AI's server.

    Parameters
    ----------
    calls : HttpCalls
    strict : bool, default False
        Answer as the original does also where that is broken: bodies are escaped before they are
        read, and what is no JSON and a prediction of NaN have status 500.
    """

    async def rpc(request: Request) -> Response:
        body = await calls.body(request)
        if not body:
            return Response(status_code=400, media_type="application/json")
        try:
            value = _as_the_original(body) if strict else json_value(body, nan_is_null=True)
        except UnreadableRowsError as error:
            return _failed(0, _NO_JSON, error.message, 200)
        except ValueError:
            return _page_500()
        try:
            call = _call_of(value)
        except _CallError as error:
            return _failed(error.id, _FAILED, str(error), 200)
        try:
            result = await _result(calls, request, call, strict)
        except DaiSparkError as error:
            return _told(call.id, error)
        if result is None:
            return _page_500()
        told = f'{{"jsonrpc": "2.0", "id": {_json(call.id)}, "result": {result}}}'
        return Response(told, media_type="application/json")

    def error(request: Request, error: DaiSparkError, status: int) -> Response:
        return _told(0, error)

    return Protocol("dai", [Route("/rpc", rpc, methods=["POST"])], error, _paths)


def _paths(documented: Documented) -> Dict[str, Any]:
    body = object_of(
        id={},
        method={"type": "string", "enum": [*_SCORING, *_ASKING]},
        params={"type": "object"},
    )
    failed = object_of(id={}, error=object_of(code={"type": "integer"}, message={"type": "string"}))
    rpc = documented.operation(
        "Driverless AI's own JSON-RPC",
        {"anyOf": [object_of(id={}, result={}), failed]},
        body=body,
        example={"id": 1, "method": "score", "params": {"row": documented.rows[0]}},
        error=failed,
        told="An error is answered with status 200 and code 1.",
    )
    return {"/rpc": {"post": rpc}}


async def _result(calls: HttpCalls, request: Request, call: _Call, strict: bool) -> Optional[str]:
    """The result as JSON; None where the original could not write it."""
    model = calls.model()
    if call.method not in _SCORING:
        if call.params:
            raise RequestError(f"{call.method} takes no params; send an empty object.")
        return _json(await _asked(model, call.method))
    rows, words = _rows_and_words(call, model, strict)
    scored = await calls.score(request, model, rows, words)
    doubles = _doubles(scored)
    if strict and any(_has_no_json(column) for column in doubles.columns):
        return None
    lists = json_lists(doubles)
    return lists[0] if call.method == "score" else f"[{', '.join(lists)}]"


async def _asked(model: ServedModel, method: str) -> Any:
    if method == "get_hash":
        return model.pipeline.experiment_id
    if method == "get_target_labels":
        return list(model.described.labels or ())
    if method == "get_column_names":
        return list(model.described.columns)
    options = model.options_for({"contributions": "transformed"})
    return _features((await model.prediction_schema(options)).names)


def _features(names: List[str]) -> List[str]:
    """Names of features, by their contributions; each class has as many."""
    n_features = next((i for i, name in enumerate(names) if name.startswith(_BIAS)), len(names))
    ending = names[n_features][len(_BIAS) :] if n_features < len(names) else ""
    return [
        name[len(_CONTRIBUTION) : len(name) - len(ending)]
        for name in names[:n_features]
        if name.startswith(_CONTRIBUTION)
    ]


def _call_of(value: Any) -> _Call:
    """Read a call, in the order in which the original looks at one.

    Raises
    ------
    _CallError
    """
    if not isinstance(value, Mapping) or "id" not in value:
        raise _CallError(0, "Bad request: want 'id' in RPC request.")
    request_id = value["id"]
    for name in ("method", "params"):
        if name not in value:
            raise _CallError(request_id, f"Bad request: want {name!r} in RPC request.")
        if name == "method":
            method = value["method"]
            if not isinstance(method, str):
                told = f"Bad request: want string 'method', got {type(method)}"
                raise _CallError(request_id, told)
            if method not in _SCORING and method not in _ASKING:
                raise _CallError(request_id, f"Method not found: {method}")
    params = value["params"]
    if not isinstance(params, Mapping):
        told = f"Bad request: want 'params' by-name, got {type(params)}"
        raise _CallError(request_id, told)
    return _Call(request_id, method, params)


def _rows_and_words(
    call: _Call, model: ServedModel, strict: bool
) -> Tuple[pa.Table, Dict[str, Any]]:
    params = dict(call.params)
    name = _SCORING[call.method]
    if name not in params:
        raise RequestError(f"{call.method} wants {name} in params.")
    given = params.pop(name)
    words: Dict[str, Any] = {}
    for flag, option, value in (
        ("output_margin", "margin", True),
        ("pred_contribs", "contributions", "transformed"),
    ):
        if _is_set(flag, params.pop(flag, False), strict):
            words[option] = value
    if params:
        raise RequestError(
            f"{call.method} does not know {', '.join(map(repr, params))}; its params are {name}, "
            "output_margin and pred_contribs."
        )
    rows = [given] if call.method == "score" else given
    is_lists = isinstance(rows, list) and rows and all(isinstance(row, list) for row in rows)
    if is_lists and not strict:
        return table_of_split(list(model.described.columns), rows, model.columns), words
    return table_of_records(rows, model.columns), words


def _is_set(flag: str, value: Any, strict: bool) -> bool:
    if strict or value is None or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise RequestError(f"{flag} must be true or false.")


def _doubles(table: pa.Table) -> pa.Table:
    columns = [
        column.cast(pa.float64()) if pa.types.is_float32(column.type) else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _has_no_json(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return False
    return column.null_count > 0 or pc.all(pc.is_finite(column)).as_py() is False


def _as_the_original(body: bytes) -> Any:
    # So that backslashes in names of columns pass; it is what breaks texts.
    text = body.decode().encode("unicode_escape").decode("ascii")
    return json.loads(text, parse_constant=lambda word: None if word == "NaN" else float(word))


def _told(request_id: Any, error: DaiSparkError) -> Response:
    status = status_of(error)
    scope = current_scope()
    if scope is not None:
        # Its status is 200 most often, which tells nobody that it failed.
        scope.told = type(error).__name__ if status == 400 else error.message
    return _failed(request_id, _FAILED, error.message, status if status in _KEPT_STATUSES else 200)


def _failed(request_id: Any, code: int, message: str, status: int) -> Response:
    told = {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}
    return Response(_json(told), status, media_type="application/json")


def _page_500() -> Response:
    told = "500: Internal Server Error"
    return HTMLResponse(f"<html><title>{told}</title><body>{told}</body></html>", 500)


def _json(value: Any) -> str:
    return json.dumps(value, default=str)
