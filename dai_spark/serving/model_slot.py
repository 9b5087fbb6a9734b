"""ModelSlot: the model that is served now, and how another one takes its place."""

import asyncio
import logging
from typing import Callable, Optional

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
    counts_before : MergerCounts
        Of the models that were served before.
    """

    def __init__(self, load: Callable[[], ServedModel]) -> None:
        self._load = load
        self._model: Optional[ServedModel] = None
        self._lock = asyncio.Lock()
        self.counts_before = MergerCounts()
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
            model = await asyncio.get_running_loop().run_in_executor(None, self._load)
            old, self._model = self._model, model
        if old is not None:
            self.n_swapped += 1
            await old.close()
            self.counts_before += old.merger.counts
        return model

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

    async def close(self) -> None:
        """Answer what is there, and end the scorers."""
        if self._model is not None:
            await self._model.close()
