"""ModelSlot: the model that is served now, and how another one takes its place."""

import asyncio
import contextlib
import logging
import threading
from typing import Callable, Dict, Optional

from dai_spark.errors import DaiSparkError
from dai_spark.serving.merger import MergerCounts
from dai_spark.serving.served_model import ServedModel
from dai_spark.serving.watch.request_scope import current_scope

__all__ = ["ModelSlot"]

_LOG = logging.getLogger("dai_spark")


class ModelSlot:
    """Holds one model, empty while the first is being loaded.

    Lives in the server's event loop.

    Parameters
    ----------
    load : callable
        Loads the model that is to be served now; blocks, so it runs in a thread.

    Attributes
    ----------
    n_swapped, n_refused : int
        Models that have taken another one's place, and those that could not.
    """

    def __init__(self, load: Callable[[], ServedModel]) -> None:
        self._load = load
        self._model: Optional[ServedModel] = None
        self._lock = asyncio.Lock()
        self._counts_before = MergerCounts()
        # Those whose place was taken, until their requests have ended.
        self._old: Dict[ServedModel, asyncio.Task[None]] = {}
        self.n_swapped = 0
        self.n_refused = 0

    def get(self) -> Optional[ServedModel]:
        """The model that is served now, which stays open for the request that asks."""
        model, scope = self._model, current_scope()
        if model is not None and scope is not None:
            model.hold()
            scope.models.append(model)
        return model

    def peek(self) -> Optional[ServedModel]:
        """The model that is served now, for who only looks."""
        return self._model

    async def fill(self) -> ServedModel:
        """Load a model beside the one that is served, then put it in its place.

        Requests that the old one has are answered by it; it is closed behind them.

        Raises
        ------
        DaiSparkError
            The new one does not load or does not score its example: the old one stays.
        """
        async with self._lock:
            model = await self._loaded()
            old, self._model = self._model, model
        if old is not None:
            self.n_swapped += 1
            # Behind its requests, for which the next swap need not wait.
            self._old[old] = asyncio.get_running_loop().create_task(self._close(old))
        return model

    def _loaded(self) -> "asyncio.Future[ServedModel]":
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[ServedModel] = loop.create_future()

        def tell(model: Optional[ServedModel], error: Optional[BaseException]) -> None:
            if loaded.done():
                return
            if model is not None:
                loaded.set_result(model)
            elif error is not None:
                loaded.set_exception(error)

        def load() -> None:
            model, why = None, None
            try:
                model = self._load()
            except BaseException as error:  # noqa: BLE001 - raised where it is awaited
                why = error
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, model, why)

        # No pool's thread: a server that is told to end does not wait for a load.
        threading.Thread(target=load, name="dai_spark-load", daemon=True).start()
        return loaded

    async def swap(self) -> bool:
        """As `fill`, but a model that cannot take over is told in the log; whether one did."""
        before = self._model
        try:
            model = await self.fill()
        except DaiSparkError as error:
            self.n_refused += 1
            _LOG.error("The new model is refused, and the old one stays: %s", error.message)
            return False
        except Exception:  # noqa: BLE001 - the server goes on with the model that it has
            self.n_refused += 1
            _LOG.exception("The new model is refused, and the old one stays.")
            return False
        was = "" if before is None else f", in place of {before.digest[:12]}"
        _LOG.info("Model %s (%s) is served now%s.", model.name, model.digest[:12], was)
        return True

    async def _close(self, old: ServedModel) -> None:
        try:
            await old.close()
        finally:
            self._counts_before += old.merger.counts
            del self._old[old]

    def counts(self) -> MergerCounts:
        """What was done by all models that are and were served."""
        models = [*self._old, *([] if self._model is None else [self._model])]
        return sum((model.merger.counts for model in models), self._counts_before)

    async def close(self) -> None:
        """Answer what is there, and end the scorers."""
        here = [] if self._model is None else [self._model.close()]
        await asyncio.gather(*here, *self._old.values())

    def abort(self) -> None:
        """End all scorers at once; calls that go on fail."""
        for model in (*self._old, *([] if self._model is None else [self._model])):
            model.abort()
