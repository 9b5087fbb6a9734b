"""KServe's first protocol, which TensorFlow Serving began: ``/v1/models/NAME:predict``."""

from typing import Any, Dict, List

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError, RequestError
from dai_spark.row_formats.prediction_bytes import json_bytes
from dai_spark.row_formats.strict_json import json_value
from dai_spark.serving.http.documented import PREDICTIONS, ROWS, Documented, array_of, object_of
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.http.protocols.invocations import rows_and_words
from dai_spark.serving.named_model import is_meant, no_such_model

__all__ = ["kserve_v1_protocol"]

_MODEL = "/v1/models/{name}"


def kserve_v1_protocol(calls: HttpCalls) -> Protocol:
    """Instances in, predictions out; rows are objects, as in ``/invocations``.

    Parameters
    ----------
    calls : HttpCalls
    """

    async def models(request: Request) -> Response:
        return JSONResponse({"models": [calls.model().name]})

    async def model(request: Request) -> Response:
        found, name = calls.model(), request.path_params["name"]
        if not is_meant(found, name):
            return JSONResponse({"error": no_such_model(found, name)}, 404)
        return JSONResponse({"name": found.name, "ready": True})

    async def predict(request: Request) -> Response:
        found, name = calls.model(), request.path_params["name"]
        if not is_meant(found, name):
            return JSONResponse({"error": no_such_model(found, name)}, 404)
        value = json_value(await calls.body(request), nan_is_null=True)
        if not isinstance(value, dict) or not ("instances" in value or "inputs" in value):
            raise RequestError('The body must be an object with "instances".')
        table, words = rows_and_words(value, found)
        scored = await calls.score(request, found, table, words)
        return Response(
            b'{"predictions":' + json_bytes(scored) + b"}",
            media_type="application/json",
            headers={"X-Model-Digest": found.digest},
        )

    routes: List[Route] = [
        Route("/v1/models", models, methods=["GET"]),
        Route(f"{_MODEL}:predict", predict, methods=["POST"]),
        Route(_MODEL, model, methods=["GET"]),
    ]
    return Protocol("kserve-v1", routes, _error, _paths)


def _paths(documented: Documented) -> Dict[str, Any]:
    text, error = {"type": "string"}, object_of(error={"type": "string"})
    names = documented.path_names("name")
    models = documented.operation("Models", object_of(models=array_of(text)), error=error)
    model = documented.operation(
        "Whether this model scores", object_of(name=text), parameters=names, error=error
    )
    predict = documented.operation(
        "Score instances",
        object_of(predictions=PREDICTIONS),
        body=object_of(instances=ROWS),
        example={"instances": documented.rows},
        parameters=names,
        error=error,
    )
    return {
        "/v1/models": {"get": models},
        _MODEL: {"get": model},
        f"{_MODEL}:predict": {"post": predict},
    }


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    return JSONResponse({"error": error.message}, status)
