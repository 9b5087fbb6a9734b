"""Errors as MLflow's own, so that a server answers them with the right status and our sentence."""

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    TEMPORARILY_UNAVAILABLE,
)

from dai_spark.errors import (
    ColumnError,
    DaiSparkError,
    OptionError,
    ScorerBusyError,
    ScoringError,
)

__all__ = ["mlflow_exception"]

# What a caller can do something about is a 400: as MLflow has it, also what a model raises on rows.
_CODES = (
    (OptionError, INVALID_PARAMETER_VALUE),
    (ColumnError, BAD_REQUEST),
    (ScoringError, BAD_REQUEST),
    (ScorerBusyError, TEMPORARILY_UNAVAILABLE),
)


def mlflow_exception(error: DaiSparkError) -> MlflowException:
    """The error that MLflow's tools tell: the same sentence, and a code that HTTP has a status for.

    Raise it ``from error``, which stays its cause.
    """
    code = next((code for kind, code in _CODES if isinstance(error, kind)), INTERNAL_ERROR)
    return MlflowException(error.text, error_code=code)
