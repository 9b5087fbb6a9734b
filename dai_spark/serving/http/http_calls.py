"""HttpCalls: what all protocols of HTTP do with a request, beside its own words."""

import asyncio
import uuid
from typing import Any, Callable, Mapping, Optional, TypeVar

import pyarrow as pa
from starlette.requests import Request

from dai_spark.errors import DeadlineError, NotReadyError, RequestError, TooLargeError
from dai_spark.serving.score_call import ScoreCall
from dai_spark.serving.served_model import ServedModel

__all__ = ["HttpCalls", "request_id_of"]

_T = TypeVar("_T")
# What is read in a millisecond or two.
_MOST_AT_ONCE_BYTES = 64 << 10
_TIMEOUT = "x-request-timeout"
_REQUEST_ID = "x-request-id"
_MOST_ID_CHARS = 128


class HttpCalls:
    """Bodies within their limit, calls with their deadline, and clients that leave.

    Parameters
    ----------
    get_model : callable
        The model that is served now; None while there is none that is ready.
    most_bytes : int
        Of a request's body.
    """

    def __init__(self, get_model: Callable[[], Optional[ServedModel]], most_bytes: int) -> None:
        self._get_model = get_model
        self._most_bytes = most_bytes

    def model(self) -> ServedModel:
        """The model that is served now.

        Raises
        ------
        NotReadyError
        """
        model = self._get_model()
        if model is None:
            raise NotReadyError("The server is not ready: its pipeline is being loaded.")
        return model

    async def body(self, request: Request) -> bytes:
        """All of a request's body.

        Raises
        ------
        TooLargeError
            Before more than the limit is in memory.
        RequestError
            It is packed: ``Content-Encoding``.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestError(
                f"The body is packed ({request.headers['content-encoding']}), and this server "
                "takes none that is; send it as it is."
            )
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told) > self._most_bytes:
            raise self._too_large(f"{int(told):,} bytes")
        parts = []
        n_bytes = 0
        async for part in request.stream():
            n_bytes += len(part)
            if n_bytes > self._most_bytes:
                raise self._too_large(f"more than {self._most_bytes:,} bytes")
            parts.append(part)
        return b"".join(parts)

    def _too_large(self, size: str) -> TooLargeError:
        return TooLargeError(
            f"The body has {size}, and the server takes {self._most_bytes:,} "
            "(--max-body-bytes); send fewer rows at once, or Arrow in place of text."
        )

    async def apart(self, n_bytes: int, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a function of so many bytes, in a thread where other requests would wait for it.

        Parameters
        ----------
        n_bytes : int
        function : callable
        *arguments
        """
        if n_bytes <= _MOST_AT_ONCE_BYTES:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, function, *arguments)

    async def score(
        self,
        request: Request,
        model: ServedModel,
        table: pa.Table,
        words: Optional[Mapping[str, Any]] = None,
    ) -> pa.Table:
        """Score a request's rows, as long as its client waits.

        Parameters
        ----------
        request : starlette.requests.Request
            Its body has been read.
        model : ServedModel
        table : pyarrow.Table
        words : mapping, optional
            Options of the call by name.

        Raises
        ------
        DaiSparkError
        """
        options = model.options_for(words or {})
        call = ScoreCall.within(table, options, request_id_of(request), timeout_of(request))
        task = asyncio.current_task()
        leaving = asyncio.ensure_future(_left(request))
        leaving.add_done_callback(lambda left: left.cancelled() or task is None or task.cancel())
        try:
            return await model.score_call(call)
        except asyncio.CancelledError:
            if not leaving.done() or leaving.cancelled():
                raise
            if task is not None and hasattr(task, "uncancel"):
                task.uncancel()
            # What had no scorer yet is not scored; the answer is read by the log alone.
            raise DeadlineError("The client has gone before its rows had scores.") from None
        finally:
            leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def timeout_of(request: Request) -> Optional[float]:
    """Seconds that the client waits, by ``X-Request-Timeout``; None where it does not say.

    Raises
    ------
    RequestError
    """
    told = request.headers.get(_TIMEOUT)
    if told is None:
        return None
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise RequestError(f"X-Request-Timeout: {told[:100]!r} is no number of seconds above 0.")
    return seconds


def request_id_of(request: Request) -> str:
    """What logs call a request: the client's own ``X-Request-ID``, else one that is made."""
    found = getattr(request.state, "request_id", None)
    if found is None:
        given = request.headers.get(_REQUEST_ID, "")
        kept = "".join(sign for sign in given[:_MOST_ID_CHARS] if sign.isprintable())
        found = kept or uuid.uuid4().hex
        request.state.request_id = found
    return str(found)
