"""AsgiApp: the server's HTTP as an application, for a process manager that listens itself."""

import asyncio
import logging
from typing import Any, Callable, Hashable, Optional

from dai_spark.errors import DaiSparkError, NotReadyError
from dai_spark.serving.lifecycle.follow import follow
from dai_spark.serving.lifecycle.model_slot import ModelSlot
from dai_spark.serving.run_server import Prepared, http_application
from dai_spark.serving.watch.spans import Spans, open_spans

__all__ = ["AsgiApp"]

_LOG = logging.getLogger("dai_spark")


class AsgiApp:
    """Loads its pipeline when its process starts, and ends its scorers with it.

    A process manager (gunicorn) listens, and begins and ends processes; each has a pipeline,
    scorers and metrics of its own, so calls of two processes are never merged.

    Parameters
    ----------
    prepare : callable
        Is called once in each process, when it starts.
    """

    def __init__(self, prepare: Callable[[], Prepared]) -> None:
        self._prepare = prepare
        self._prepared: Optional[Prepared] = None
        self._slot: Optional[ModelSlot] = None
        self._app: Any = None
        self._spans: Optional[Spans] = None
        self._following: Optional[asyncio.Future[None]] = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or begin and end with the process; see ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            raise NotReadyError("The process manager did not start the application (lifespan).")
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self._start()
        except DaiSparkError as error:
            await send({"type": "lifespan.startup.failed", "message": error.message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._end()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        prepared = self._prepared = self._prepare()
        slot = self._slot = ModelSlot(prepared.served.load)
        self._spans = open_spans()
        settings = prepared.settings
        self._app, _ = http_application(slot, settings, prepared.served.collectors, self._spans)
        model = await slot.fill()
        _LOG.info("ready: %s, SHA-256 %s", model.name, model.digest[:12])

        def state() -> Hashable:
            if settings.token is not None:
                settings.token.renew()
            return prepared.served.state()

        self._following = asyncio.ensure_future(
            # SIGHUP is the process manager's: it begins new processes, which load what is there.
            follow(slot, state, settings.reload_s, asyncio.Event())
        )

    async def _end(self) -> None:
        assert self._slot is not None
        assert self._prepared is not None
        if self._following is not None:
            self._following.cancel()
        await self._slot.close()
        self._prepared.close()
        if self._spans is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._spans.close)
