"""The Open Inference Protocol's service: tensors in, tensors out."""

from typing import Any, Dict, List, Mapping, Optional

import grpc

from dai_spark._version import __version__
from dai_spark.errors import OptionError
from dai_spark.schema.prediction import PredictionShape
from dai_spark.serving.grpc.call import answered, model_of, request_id_of, timeout_of
from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.served import GetModel, Model
from dai_spark.serving.named_model import (
    PLATFORM,
    input_kinds,
    is_meant,
    no_such_model,
    output_kinds,
    version_of,
    words_of_parameters,
)
from dai_spark.serving.served_model import CALL_OPTIONS
from dai_spark.serving.tensors import Tensor, raw_bytes, table_of_tensors, tensors_of_table
from dai_spark.serving.watch.request_scope import Watch

__all__ = ["InferenceService"]

# The field of InferTensorContents for each type.
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_CALLS = (
    "ServerLive",
    "ServerReady",
    "ServerMetadata",
    "ModelReady",
    "ModelMetadata",
    "ModelInfer",
)


class InferenceService:
    """``inference.GRPCInferenceService``.

    Parameters
    ----------
    messages : Messages
        Of `dai_spark.serving.grpc.inference_proto.inference_file`.
    get_model : callable
    watch : callable, optional
        Is told each call when it is answered.
    """

    def __init__(
        self, messages: Messages, get_model: GetModel, watch: Optional[Watch] = None
    ) -> None:
        self._watch = watch
        self._of = messages.of
        self._service = messages.service
        self._get_model = get_model

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given."""
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                answered(getattr(self, name), self._watch),
                self._of(f"{name}Request").FromString,
                lambda reply: reply.SerializeToString(),
            )
            for name in _CALLS
        }
        return grpc.method_handlers_generic_handler(self._service, handlers)

    # Names of the calls are the protocol's.
    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether the process answers."""
        return self._of("ServerLiveResponse")(live=True)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether there is a model that scores."""
        return self._of("ServerReadyResponse")(ready=self._get_model() is not None)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Name and version of the server."""
        return self._of("ServerMetadataResponse")(name="dai_spark", version=__version__)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether this model scores."""
        model = self._get_model()
        is_ready = model is not None and is_meant(model, request.name, request.version)
        return self._of("ModelReadyResponse")(ready=is_ready)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The columns that a model reads and answers, as tensors."""
        model = await self._meant(request.name, request.version, context)
        reply = self._of("ModelMetadataResponse")(
            name=model.name, versions=[version_of(model)], platform=PLATFORM
        )
        for kind in input_kinds(model.plan.wanted()):
            reply.inputs.add(**kind._asdict())
        for kind in output_kinds(PredictionShape.of(model.plan).schema):
            reply.outputs.add(**kind._asdict())
        return reply

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Score."""
        model = await self._meant(request.model_name, request.model_version, context)
        options = model.options_for(_words(request.parameters))
        is_raw = len(request.raw_input_contents) > 0
        table = table_of_tensors(_tensors(request), model.plan.wanted())
        request_id = request_id_of(context, request.id)
        scored = await model.score(table, options, timeout_of(context), request_id)
        wanted = [output.name for output in request.outputs] or None
        reply = self._of("ModelInferResponse")(
            model_name=model.name, model_version=version_of(model), id=request.id
        )
        for tensor in tensors_of_table(scored, wanted):
            output = reply.outputs.add(
                name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape)
            )
            if is_raw:
                reply.raw_output_contents.append(raw_bytes(tensor))
            else:
                contents = getattr(output.contents, _CONTENTS[tensor.datatype])
                contents.extend(
                    tensor.values if tensor.datatype == "BYTES" else tensor.values.tolist()
                )
        return reply

    async def _meant(self, name: str, version: str, context: Any) -> Model:
        model = await model_of(context, self._get_model)
        if not is_meant(model, name, version):
            await context.abort(grpc.StatusCode.NOT_FOUND, no_such_model(model, name, version))
        return model


def _words(parameters: Mapping[str, Any]) -> Dict[str, Any]:
    found = {}
    for name, parameter in parameters.items():
        which = parameter.WhichOneof("parameter_choice")
        # One that is there without a value is as good as none.
        if which is not None or name not in CALL_OPTIONS:
            found[name] = None if which is None else getattr(parameter, which)
    return words_of_parameters(found)


def _tensors(request: Any) -> List[Tensor]:
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise OptionError(
            f"The request has {len(request.inputs)} inputs and {len(raw)} raw contents; it has one "
            "for each input, or none."
        )
    found = []
    for i, given in enumerate(request.inputs):
        values: Any = raw[i] if raw else _values(given)
        found.append(Tensor(given.name, given.datatype, tuple(given.shape), values))
    return found


def _values(given: Any) -> Any:
    field = _CONTENTS.get(given.datatype)
    return list(getattr(given.contents, field)) if field is not None else []
