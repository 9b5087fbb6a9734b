"""ModelSlot: the model that is served now, and how another one takes its place."""

import asyncio
import logging
from typing import Callable, Optional

from dai_spark.errors import DaiSparkError
from dai_spark.serving.served_model import ServedModel

__all__ = ["ModelSlot"]

_LOG = logging.getLogger("dai_spark")


class ModelSlot:
    """Holds one model, empty while the first is being loaded.

    Lives in the server's event loop.

    Parameters
    ----------
    load : callable
        Loads the model that is to be served now; blocks, so it runs in a thread.
    """

    def __init__(self, load: Callable[[], ServedModel]) -> None:
        self._load = load
        self._model: Optional[ServedModel] = None
        self._lock = asyncio.Lock()

    def get(self) -> Optional[ServedModel]:
        """The model that is served now."""
        return self._model

    async def fill(self) -> ServedModel:
        """Load a model beside the one that is served, then put it in its place.

        Calls that the old one has are answered by it; it is closed behind them.

        Raises
        ------
        DaiSparkError
            The new one does not load or does not score its example: the old one stays.
        """
        async with self._lock:
            model = await asyncio.get_running_loop().run_in_executor(None, self._load)
            old, self._model = self._model, model
        if old is not None:
            await old.close()
        return model

    async def swap(self) -> bool:
        """As `fill`, but a model that cannot take over is told in the log; whether one did."""
        try:
            model = await self.fill()
        except DaiSparkError as error:
            _LOG.error("The new model is refused, and the old one stays: %s", error.message)
            return False
        _LOG.info("Model %s (%s) is served now.", model.name, model.digest[:12])
        return True

    async def close(self) -> None:
        """Answer what is there, and end the scorers."""
        if self._model is not None:
            await self._model.close()
