"""Errors of ours as gRPC's statuses, with what they rest on as details that clients can read."""

from typing import Any, List, NoReturn, Tuple

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from dai_spark.errors import (
    ColumnError,
    DaiSparkError,
    LicenseError,
    NotReadyError,
    OptionError,
    RefusedValuesError,
    RequestError,
    ScorerBusyError,
    ScorerClosedError,
    SidecarTimeoutError,
)

__all__ = ["abort", "code_of", "status_of"]

_DOMAIN = "dai_spark"
# The nearest class first.
_CODES: Tuple[Tuple[type, grpc.StatusCode], ...] = (
    (ScorerBusyError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ScorerClosedError, grpc.StatusCode.UNAVAILABLE),
    (NotReadyError, grpc.StatusCode.UNAVAILABLE),
    (SidecarTimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (LicenseError, grpc.StatusCode.FAILED_PRECONDITION),
    (ColumnError, grpc.StatusCode.INVALID_ARGUMENT),
    (OptionError, grpc.StatusCode.INVALID_ARGUMENT),
    (RequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (TimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED),
)
_RETRY_S = 1
# What metadata holds, beside the code and the sentence.
_MOST_CHARS = 2000


def code_of(error: BaseException) -> grpc.StatusCode:
    """The code of an error; INTERNAL where the client is not to blame.

    Parameters
    ----------
    error : Exception
    """
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL


def status_of(error: DaiSparkError) -> "status_pb2.Status":
    """The status: code, sentence, and details of google.rpc.

    ``ErrorInfo`` names the class of the error; ``BadRequest`` has the values that were refused,
    by row and column; ``RetryInfo`` says that the same call may succeed a little later.

    Parameters
    ----------
    error : DaiSparkError
    """
    code = code_of(error)
    details: List[Any] = [error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=_DOMAIN)]
    if isinstance(error, RefusedValuesError):
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=f"rows[{row}].{column}" if column else f"rows[{row}]",
                        description=why,
                    )
                    for row, column, why in error.offenders
                ]
            )
        )
    if code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = _RETRY_S
        details.append(retry)
    packed = []
    for detail in details:
        one = any_pb2.Any()
        one.Pack(detail)
        packed.append(one)
    message = error.message if len(error.message) <= _MOST_CHARS else error.message[:_MOST_CHARS]
    return status_pb2.Status(code=code.value[0], message=message, details=packed)


async def abort(context: Any, error: BaseException) -> NoReturn:
    """End a call with an error's status.

    Parameters
    ----------
    context : grpc.aio.ServicerContext
    error : Exception
        One of ours is told; of any other nothing but that there was one.
    """
    if isinstance(error, DaiSparkError):
        await context.abort_with_status(rpc_status.to_status(status_of(error)))
    code = code_of(error)
    text = (
        "The deadline was over before the rows had scores."
        if code is grpc.StatusCode.DEADLINE_EXCEEDED
        else "The server failed; its log says why."
    )
    await context.abort(code, text)
    raise AssertionError("abort raises")
