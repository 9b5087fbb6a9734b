"""The Open Inference Protocol's version 2, ``/v2``: a tensor for each column, as JSON or raw.

KServe, Triton, Seldon and MLServer speak it.  Raw bytes behind the JSON are Triton's extension,
which its own client uses unless it is told not to.
"""

import json
from typing import Any, Dict, List, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dai_spark._version import __version__
from dai_spark.errors import DaiSparkError, RequestError
from dai_spark.row_formats.strict_json import json_value
from dai_spark.serving.http.documented import Documented, array_of, object_of
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.json_tensors import json_of_tensors, tensors_of_json
from dai_spark.serving.named_model import (
    PLATFORM,
    input_kinds,
    is_meant,
    no_such_model,
    output_kinds,
    version_of,
    words_of_parameters,
)
from dai_spark.serving.served_model import ServedModel
from dai_spark.serving.tensors import Tensor, table_of_tensors, tensors_of_table

__all__ = ["inference_protocol"]

_HEADER_BYTES = "Inference-Header-Content-Length"
_PATHS = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")


def inference_protocol(calls: HttpCalls) -> Protocol:
    """Health, metadata and inference of the one model.

    Parameters
    ----------
    calls : HttpCalls
    """

    async def server(request: Request) -> Response:
        told = {"name": "dai_spark", "version": __version__, "extensions": ["binary_tensor_data"]}
        return JSONResponse(told)

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        calls.model()
        return JSONResponse({"ready": True})

    async def model_ready(request: Request, model: ServedModel) -> Response:
        return JSONResponse({"name": model.name, "ready": True})

    async def metadata(request: Request, model: ServedModel) -> Response:
        outputs = output_kinds(await model.prediction_schema())
        return JSONResponse(
            {
                "name": model.name,
                "versions": [version_of(model)],
                "platform": PLATFORM,
                "inputs": [kind._asdict() for kind in input_kinds(model.columns)],
                "outputs": [kind._asdict() for kind in outputs],
            }
        )

    async def infer(request: Request, model: ServedModel) -> Response:
        body = await calls.body(request)
        told = request.headers.get(_HEADER_BYTES)
        n_bytes = len(body) if told is None else _n_header_bytes(told, len(body))
        value = json_value(body[:n_bytes], "The request", nan_is_null=True)
        if not isinstance(value, Mapping):
            raise RequestError('The request must be an object with "inputs".')
        parameters = _parameters(value, "The request")
        words = words_of_parameters(parameters)
        outputs = _outputs(value)
        tensors = tensors_of_json(value.get("inputs"), body[n_bytes:])
        table = table_of_tensors(tensors, model.columns)
        scored = await calls.score(request, model, table, words)
        found = tensors_of_table(scored, list(outputs) or None)
        usual = parameters.get("binary_data_output") is True
        is_raw = {tensor.name: outputs.get(tensor.name, usual) for tensor in found}
        return _answer(model, value.get("id"), found, is_raw)

    def of_model(endpoint: Any) -> Any:
        async def answer(request: Request) -> Response:
            model = calls.model()
            name, version = (request.path_params.get(word, "") for word in ("name", "version"))
            if not is_meant(model, name, version):
                return JSONResponse({"error": no_such_model(model, name, version)}, 404)
            found: Response = await endpoint(request, model)
            return found

        return answer

    routes: List[Route] = [
        Route("/v2", server, methods=["GET"]),
        Route("/v2/health/live", live, methods=["GET"]),
        Route("/v2/health/ready", ready, methods=["GET"]),
    ]
    for path in _PATHS:
        routes += [
            Route(path, of_model(metadata), methods=["GET"]),
            Route(f"{path}/ready", of_model(model_ready), methods=["GET"]),
            Route(f"{path}/infer", of_model(infer), methods=["POST"]),
        ]
    return Protocol("inference", routes, _error, _paths_of)


def _paths_of(documented: Documented) -> Dict[str, Any]:
    kinds = input_kinds(documented.model.columns)
    rows = documented.rows
    example = {
        "inputs": [
            {
                "name": kind.name,
                "datatype": kind.datatype,
                "shape": [len(rows), 1],
                "data": [row[kind.name] for row in rows],
            }
            for kind in kinds
        ]
    }
    text, error = {"type": "string"}, object_of(error={"type": "string"})
    tensors = array_of(object_of(name=text, datatype=text, shape=array_of({"type": "integer"})))
    of_model = object_of(name=text, inputs=tensors, outputs=tensors)

    def get(summary: str, answer: Dict[str, Any], *names: str) -> Dict[str, Any]:
        parameters = documented.path_names(*names)
        return {"get": documented.operation(summary, answer, parameters=parameters, error=error)}

    found = {
        "/v2": get("Of this server", object_of(name=text, version=text)),
        "/v2/health/live": get("Whether the process answers", object_of(live={})),
        "/v2/health/ready": get("Whether there is a model that scores", object_of(ready={})),
    }
    for path, names in zip(_PATHS, (("name",), ("name", "version"))):
        found[path] = get("The columns of the model as tensors", of_model, *names)
        found[f"{path}/ready"] = get("Whether this model scores", object_of(name=text), *names)
        infer = documented.operation(
            "Score tensors, one for each column; null is a missing value",
            object_of(model_name=text, outputs=tensors),
            body=object_of(inputs=tensors),
            example=example,
            parameters=documented.path_names(*names),
            error=error,
        )
        found[f"{path}/infer"] = {"post": infer}
    return found


def _n_header_bytes(told: str, n_there: int) -> int:
    n_bytes = int(told) if told.isdigit() and len(told) < 16 else -1
    if not 0 <= n_bytes <= n_there:
        raise RequestError(f"{_HEADER_BYTES} is {told[:30]!r}, and the body has {n_there} bytes.")
    return n_bytes


def _parameters(value: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    found = value.get("parameters") or {}
    if not isinstance(found, Mapping):
        raise RequestError(f"{what} has parameters that are no object.")
    return found


def _outputs(value: Mapping[str, Any]) -> Dict[str, bool]:
    """The outputs that are asked for, and whether each is to be raw."""
    found = {}
    outputs = value.get("outputs") or []
    usual = _parameters(value, "The request").get("binary_data_output") is True
    if not isinstance(outputs, list):
        raise RequestError("The request has outputs that are no list.")
    for output in outputs:
        if not isinstance(output, Mapping) or not isinstance(output.get("name"), str):
            raise RequestError("An output that is asked for has no name.")
        told = _parameters(output, f"The output {output['name']}").get("binary_data", usual)
        found[output["name"]] = told is True
    return found


def _answer(
    model: ServedModel, request_id: Any, tensors: List[Tensor], is_raw: Mapping[str, bool]
) -> Response:
    head = {"model_name": model.name, "model_version": version_of(model)}
    if isinstance(request_id, str) and request_id:
        head["id"] = request_id
    outputs, behind = json_of_tensors(tensors, is_raw)
    told = f'{json.dumps(head)[:-1]}, "outputs": {outputs}}}'.encode()
    if not any(is_raw.values()):
        return Response(told, media_type="application/json")
    return Response(
        told + behind,
        media_type="application/octet-stream",
        headers={_HEADER_BYTES: str(len(told))},
    )


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    return JSONResponse({"error": error.message}, status)
