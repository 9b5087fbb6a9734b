"""The signature of a logged pipeline: its inputs, outputs and params, as MLflow writes them."""

from typing import Any, Dict, List, Optional, Sequence, Union

import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, DataType, ParamSchema, ParamSpec, Schema

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import OptionError
from dai_spark.mlflow.call_params import PARAM_TYPES

__all__ = ["SignatureChoice", "call_signature"]

SignatureChoice = Union[str, ModelSignature, None]

_CHOICES = ("any", "strict")
_TYPES: Dict[str, DataType] = {
    "float": DataType.float,
    "double": DataType.double,
    "int32": DataType.integer,
    "int64": DataType.long,
    "bool": DataType.boolean,
    "string": DataType.string,
}


def call_signature(
    choice: SignatureChoice, columns: Sequence[PipelineColumn], answer: "List[pa.Field]"
) -> ModelSignature:
    """Make the signature that a model is logged with.

    Parameters
    ----------
    choice : {"any", "strict"}, ModelSignature or None
        ``"any"``: inputs of type `AnyType`, so that the pipeline's own table of types judges, and
        no value is changed.  ``"strict"``: ``double`` and ``string``, which MLflow holds rows to
        and casts them to.  None: no inputs.  Of a signature inputs and outputs are taken.
    columns : sequence of PipelineColumn
        One that the export says always had a value in training is required, which to MLflow also
        means that it may not hold a missing one; the model itself wants all of them.
    answer : list of pyarrow.Field
        Columns of a prediction, empty where they are not known.

    Raises
    ------
    OptionError
    """
    params = ParamSchema(
        [ParamSpec(name, DataType[kind], None) for name, kind in PARAM_TYPES.items()]
    )
    if isinstance(choice, ModelSignature):
        return ModelSignature(inputs=choice.inputs, outputs=choice.outputs, params=params)
    if choice is not None and choice not in _CHOICES:
        raise OptionError(
            f"signature={choice!r} is neither 'any' nor 'strict', None or a ModelSignature."
        )
    inputs: Optional[Schema] = None
    if choice is not None and columns:
        inputs = Schema([_input(column, choice == "strict") for column in columns])
    specs = [ColSpec(_TYPES[str(field.type)], field.name) for field in answer if _is_known(field)]
    outputs = Schema(specs) if specs and len(specs) == len(answer) else None
    return ModelSignature(inputs=inputs, outputs=outputs, params=params)


def _input(column: PipelineColumn, is_strict: bool) -> ColSpec:
    kind: Any = AnyType()
    if is_strict and column.is_known:
        kind = DataType.double if column.is_number else DataType.string
    return ColSpec(kind, column.name, required=column.has_missing is False)


def _is_known(field: pa.Field) -> bool:
    # A map of probabilities has no type that all of MLflow's tools know.
    return str(field.type) in _TYPES
