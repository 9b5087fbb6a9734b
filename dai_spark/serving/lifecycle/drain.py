"""drain: the server's end.  Requests that are there are answered, within a limit."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Callable, Optional

from dai_spark.serving.lifecycle.model_slot import ModelSlot
from dai_spark.serving.served_model import ServedModel

__all__ = ["Parts", "drain"]

# For answers that say that their scorer was ended, and for a sidecar to go.
_LAST_S = 3.0


@dataclass(frozen=True)
class Parts:
    """What is to end.

    Attributes
    ----------
    slot : ModelSlot
    http : uvicorn.Server
    serving : future
        Done when `http` has ended.
    grpc_server : GrpcServer or None
    filling : future or None
        Done when the first model was loaded.
    """

    slot: ModelSlot
    http: Any
    serving: "asyncio.Future[None]"
    grpc_server: Optional[Any]
    filling: "Optional[asyncio.Future[ServedModel]]"


async def drain(
    parts: Parts, limit_s: float, at_once: asyncio.Event, on_message: Callable[[str], None]
) -> None:
    """Take no more requests, answer those that are there, and end the scorers.

    Parameters
    ----------
    parts : Parts
    limit_s : float
        Behind it scorers are ended, and requests that still wait are told so.
    at_once : asyncio.Event
        Set where nobody wants to wait so long.
    on_message : callable
        Is told that requests are cut off.
    """
    parts.http.should_exit = True
    ending = asyncio.ensure_future(_end(parts, limit_s))
    hurry = asyncio.ensure_future(at_once.wait())
    await asyncio.wait({ending, hurry}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    if not ending.done():
        why = "told to again" if at_once.is_set() else f"{limit_s:g} s are over"
        on_message(f"ending at once ({why}): requests that are not answered yet fail")
        parts.slot.abort()
        # Answers that say so have a moment to leave.
        await asyncio.wait({ending}, timeout=_LAST_S)
        parts.http.force_exit = True
        if parts.grpc_server is not None:
            await parts.grpc_server.stop(0)
        await asyncio.wait({ending}, timeout=_LAST_S)
    hurry.cancel()
    ending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ending


async def _end(parts: Parts, limit_s: float) -> None:
    stopping = [] if parts.grpc_server is None else [parts.grpc_server.stop(limit_s)]
    await asyncio.gather(parts.serving, *stopping, return_exceptions=True)
    if parts.filling is not None:
        await asyncio.gather(parts.filling, return_exceptions=True)
    await parts.slot.close()
