"""One call of gRPC: its model, its deadline, its name, and how it ends."""

import logging
import uuid
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Optional

import grpc

from dai_spark.errors import DaiSparkError
from dai_spark.serving.grpc.served import GetModel, Model
from dai_spark.serving.grpc.status_codes import abort, code_of
from dai_spark.serving.watch.request_scope import TRACE_HEADERS, Watch, request_scope

__all__ = ["answered", "model_of", "request_id_of", "streamed", "timeout_of"]

_LOG = logging.getLogger("dai_spark")
_DIGEST = "x-model-digest"
_REQUEST_ID = "x-request-id"
_MOST_ID_CHARS = 128


async def model_of(context: Any, get_model: GetModel) -> Model:
    """The model that is served now; the call ends where there is none yet.

    Parameters
    ----------
    context : grpc.aio.ServicerContext
    get_model : callable
    """
    model = get_model()
    if model is None:
        await context.abort(
            grpc.StatusCode.UNAVAILABLE, "The server is not ready: its pipeline is being loaded."
        )
        raise AssertionError("abort raises")
    return model


def timeout_of(context: Any) -> Optional[float]:
    """Seconds that the client still waits; None where it waits for ever.

    Parameters
    ----------
    context : grpc.aio.ServicerContext
    """
    left_s = context.time_remaining()
    # Without a deadline some versions tell a very large number.
    return None if left_s is None or left_s > 1e8 else max(0.0, float(left_s))


def request_id_of(context: Any, given: str = "") -> str:
    """The name of a call in logs: the client's, where it gave one.

    Parameters
    ----------
    context : grpc.aio.ServicerContext
    given : str
        In the message, before the metadata's ``x-request-id``.
    """
    if not given:
        for name, value in context.invocation_metadata() or ():
            if name == _REQUEST_ID and isinstance(value, str):
                given = value
    return given[:_MOST_ID_CHARS] or uuid.uuid4().hex


def answered(
    handle: Callable[[Any, Any], Awaitable[Any]], watch: Optional[Watch] = None
) -> Callable[[Any, Any], Awaitable[Any]]:
    """A call whose errors are gRPC's statuses.

    Parameters
    ----------
    handle : async callable
        Of request and context.
    watch : callable, optional
        Is told each call when it is answered.
    """

    async def call(request: Any, context: Any) -> Any:
        with request_scope("grpc", watch) as scope:
            scope.request_id = request_id_of(context, getattr(request, "request_id", ""))
            scope.trace = _trace_of(context)
            scope.status = "INTERNAL"
            try:
                reply = await handle(request, context)
                scope.status = "OK"
                if scope.digest:
                    context.set_trailing_metadata(((_DIGEST, scope.digest),))
                return reply
            except (DaiSparkError, TimeoutError) as error:
                scope.status = code_of(error).name
                scope.told = type(error).__name__
                await abort(context, error)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - told to the client as INTERNAL
                _LOG.exception("A call of gRPC failed.")
                await abort(context, error)

    return call


def streamed(
    handle: Callable[[Any, Any], AsyncIterator[Any]], watch: Optional[Watch] = None
) -> Callable[[Any, Any], AsyncIterator[Any]]:
    """A stream, whose models stay open until it ends.

    Parameters
    ----------
    handle : async generator
        Of requests and context; it ends with gRPC's statuses itself.
    watch : callable, optional
        Is told each stream when it has ended.
    """

    async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
        with request_scope("grpc", watch) as scope:
            scope.request_id, scope.trace = request_id_of(context), _trace_of(context)
            scope.status = "ABORTED"
            async for reply in handle(requests, context):
                yield reply
            scope.status = "OK"

    return call


def _trace_of(context: Any) -> Dict[str, str]:
    metadata = context.invocation_metadata() or ()
    return {name: value for name, value in metadata if name in TRACE_HEADERS}
