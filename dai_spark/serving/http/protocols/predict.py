"""Our own protocol: rows in any format to ``/predict``, and predictions in the format asked for."""

from typing import Any, Dict, List

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError
from dai_spark.row_formats.row_formats import FORMATS
from dai_spark.serving.http.accepted import accepted_format, given_format
from dai_spark.serving.http.call_words import words_of_query
from dai_spark.serving.http.documented import PREDICTIONS, ROWS, Documented, object_of
from dai_spark.serving.http.http_calls import HttpCalls, request_id_of
from dai_spark.serving.http.protocols.http_protocol import Protocol

__all__ = ["predict_protocol"]

_KEEP = "keep"


def predict_protocol(calls: HttpCalls) -> Protocol:
    """``POST /predict``: rows by Content-Type, predictions by Accept, options in the query.

    Parameters
    ----------
    calls : HttpCalls
    """

    async def predict(request: Request) -> Response:
        model = calls.model()
        given = given_format(request.headers.get("content-type"))
        wanted = accepted_format(request.headers.get("accept"), given)
        query = dict(request.query_params)
        keep = [name for name in query.pop(_KEEP, "").split(",") if name]
        words = words_of_query(query)
        body = await calls.body(request)
        table = await calls.apart(len(body), given.read, body, model.columns, keep)
        scored = await calls.score(request, model, table.select(list(model.columns)), words)
        answer = pa.Table.from_arrays(
            [*(table.column(name) for name in keep), *scored.columns],
            names=[*keep, *scored.column_names],
        )
        return Response(
            await calls.apart(answer.nbytes, wanted.write, answer),
            media_type=wanted.media_types[0],
            headers={"X-Model-Digest": model.digest},
        )

    routes: List[Route] = [Route("/predict", predict, methods=["POST"])]
    return Protocol("predict", routes, _error, _paths)


def _paths(documented: Documented) -> Dict[str, Any]:
    others = [one.media_types[0] for one in FORMATS.values() if one.name != "json"]
    body = {"anyOf": [ROWS, {"$ref": "#/components/schemas/Row"}, {"type": "object"}]}
    keep = {"name": _KEEP, "in": "query", "required": False, "schema": {"type": "string"}}
    predict = documented.operation(
        "Score rows, in the format that Content-Type says, into that of Accept",
        {"anyOf": [PREDICTIONS, {"type": "object"}]},
        body=body,
        example=documented.rows,
        more_bodies={name: {"schema": {"type": "string", "format": "binary"}} for name in others},
        parameters=[*documented.query_options(), keep],
        error=object_of(error=object_of(type={"type": "string"}, message={"type": "string"})),
    )
    return {"/predict": {"post": predict}}


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    told: Dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.message,
        "request_id": request_id_of(request),
    }
    offenders = getattr(error, "offenders", None)
    if offenders:
        told["values"] = [
            {"row": row, "column": column, "why": why} for row, column, why in offenders
        ]
    return JSONResponse({"error": told}, status)
