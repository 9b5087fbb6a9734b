"""What the Open Inference Protocol, over HTTP and gRPC, says of a model by its name."""

from typing import Any, Dict, List, Mapping, NamedTuple, Protocol, Tuple

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import OptionError
from dai_spark.serving.served_model import CALL_OPTIONS
from dai_spark.serving.tensors import datatype_of

__all__ = [
    "PLATFORM",
    "NamedModel",
    "TensorKind",
    "input_kinds",
    "is_meant",
    "no_such_model",
    "output_kinds",
    "version_of",
    "words_of_parameters",
]

PLATFORM = "driverless_ai"
# Parameters that clients send by themselves, and that change no score.
_PASSED_OVER = frozenset(
    (
        *("priority", "timeout", "content_type", "binary_data", "binary_data_output", "headers"),
        *("sequence_id", "sequence_start", "sequence_end", "triton_enable_empty_final_response"),
    )
)


class NamedModel(Protocol):
    """A model that clients call by a name and a version."""

    @property
    def name(self) -> str:
        """What clients call it."""

    @property
    def digest(self) -> str:
        """Of the pipeline that scores."""


class TensorKind(NamedTuple):
    """A column as the protocol's metadata have it."""

    name: str
    datatype: str
    shape: Tuple[int, ...] = (-1, 1)


def version_of(model: NamedModel) -> str:
    """The version by which clients call a model: the beginning of its digest."""
    return model.digest[:12]


def is_meant(model: NamedModel, name: str, version: str = "") -> bool:
    """Whether a client that names a model, and perhaps a version, means this one."""
    return name == model.name and version in ("", version_of(model), model.digest)


def no_such_model(model: NamedModel, name: str, version: str = "") -> str:
    """The sentence for a client that means another one."""
    told = f"{name!r}, version {version!r}" if version else repr(name)
    return f"There is no model {told} here; there is {model.name!r}, version {version_of(model)!r}."


def input_kinds(columns: Mapping[str, PipelineColumn]) -> List[TensorKind]:
    """The columns that a model reads."""
    found = []
    for name, column in columns.items():
        datatype = "FP64" if column.is_number else "BYTES"
        found.append(TensorKind(name, "INT64" if column.is_integer else datatype))
    return found


def output_kinds(schema: pa.Schema) -> List[TensorKind]:
    """The columns of a prediction.

    Raises
    ------
    OptionError
        The protocol has no type for one of them.
    """
    return [TensorKind(field.name, datatype_of(field.type)) for field in schema]


def words_of_parameters(parameters: Mapping[str, Any]) -> Dict[str, Any]:
    """Options of a call among a request's parameters.

    Raises
    ------
    OptionError
        One that is neither an option nor of the protocol.
    """
    unknown = [name for name in parameters if name not in CALL_OPTIONS and name not in _PASSED_OVER]
    if unknown:
        raise OptionError(
            f"{', '.join(sorted(unknown))} is no parameter of this model; the parameters are "
            f"{', '.join(CALL_OPTIONS)}."
        )
    return {name: value for name, value in parameters.items() if name in CALL_OPTIONS}
