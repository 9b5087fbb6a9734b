"""The Open Inference Protocol's service, version 2, as KServe and Triton speak it."""

from typing import Any, List

from dai_spark.serving.grpc.proto_file import field, file_of, map_field, message, method

__all__ = ["inference_file"]

_PACKAGE = "inference"
_P = f".{_PACKAGE}."
_CONTENTS = (
    *(("bool_contents", "bool"), ("int_contents", "int32"), ("int64_contents", "int64")),
    *(("uint_contents", "uint32"), ("uint64_contents", "uint64"), ("fp32_contents", "float")),
    *(("fp64_contents", "double"), ("bytes_contents", "bytes")),
)
_PARAMETER = (
    *(("bool_param", "bool"), ("int64_param", "int64"), ("string_param", "string")),
    *(("double_param", "double"), ("uint64_param", "uint64")),
)


def inference_file() -> Any:
    """The file with ``inference.GRPCInferenceService`` and its six calls."""
    named = [field("name", 1, "string"), field("version", 2, "string")]
    tensor = [
        field("name", 1, "string"),
        field("datatype", 2, "string"),
        field("shape", 3, "int64", is_repeated=True),
    ]
    parameters = map_field("parameters", 4, "string", f"{_P}InferParameter")
    contents = field("contents", 5, f"{_P}InferTensorContents")
    about = [
        field("model_name", 1, "string"),
        field("model_version", 2, "string"),
        field("id", 3, "string"),
        parameters,
    ]
    requested = [
        field("name", 1, "string"),
        map_field("parameters", 2, "string", f"{_P}InferParameter"),
    ]
    messages: List[Any] = [
        message("ServerLiveRequest", []),
        message("ServerLiveResponse", [field("live", 1, "bool")]),
        message("ServerReadyRequest", []),
        message("ServerReadyResponse", [field("ready", 1, "bool")]),
        message("ModelReadyRequest", named),
        message("ModelReadyResponse", [field("ready", 1, "bool")]),
        message("ServerMetadataRequest", []),
        message(
            "ServerMetadataResponse",
            [*named, field("extensions", 3, "string", is_repeated=True)],
        ),
        message("ModelMetadataRequest", named),
        message(
            "ModelMetadataResponse",
            [
                field("name", 1, "string"),
                field("versions", 2, "string", is_repeated=True),
                field("platform", 3, "string"),
                field("inputs", 4, f"{_P}ModelMetadataResponse.TensorMetadata", is_repeated=True),
                field("outputs", 5, f"{_P}ModelMetadataResponse.TensorMetadata", is_repeated=True),
            ],
            [message("TensorMetadata", tensor)],
        ),
        message("InferParameter", _choices(_PARAMETER, "parameter_choice")),
        message(
            "InferTensorContents",
            [field(n, i, kind, is_repeated=True) for i, (n, kind) in enumerate(_CONTENTS, 1)],
        ),
        message(
            "ModelInferRequest",
            [
                *about,
                field("inputs", 5, f"{_P}ModelInferRequest.InferInputTensor", is_repeated=True),
                field(
                    "outputs",
                    6,
                    f"{_P}ModelInferRequest.InferRequestedOutputTensor",
                    is_repeated=True,
                ),
                field("raw_input_contents", 7, "bytes", is_repeated=True),
            ],
            [
                message("InferInputTensor", [*tensor, parameters, contents]),
                message("InferRequestedOutputTensor", requested),
            ],
        ),
        message(
            "ModelInferResponse",
            [
                *about,
                field("outputs", 5, f"{_P}ModelInferResponse.InferOutputTensor", is_repeated=True),
                field("raw_output_contents", 6, "bytes", is_repeated=True),
            ],
            [message("InferOutputTensor", [*tensor, parameters, contents])],
        ),
    ]
    calls = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata")
    methods = [method(name, f"{name}Request", f"{name}Response") for name in (*calls, "ModelInfer")]
    return file_of("open_inference_grpc.proto", _PACKAGE, messages, "GRPCInferenceService", methods)


def _choices(choices: Any, oneof: str) -> List[Any]:
    return [field(name, i, kind, oneof=oneof) for i, (name, kind) in enumerate(choices, 1)]
