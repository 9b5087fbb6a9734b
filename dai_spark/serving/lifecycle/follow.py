"""follow: a changed file or alias takes the place of the model that is served."""

import asyncio
import contextlib
import logging
from typing import Callable, Hashable, Optional

from dai_spark.serving.lifecycle.model_slot import ModelSlot

__all__ = ["follow"]

_LOG = logging.getLogger("dai_spark")


async def follow(
    slot: ModelSlot,
    state: Callable[[], Hashable],
    every_s: Optional[float],
    asked: asyncio.Event,
) -> None:
    """Swap the model whenever its file or alias is another one; never returns.

    A state is loaded when it is seen twice, so that a file that is being copied is left alone, and
    one that was refused is not tried again until it changes.

    Parameters
    ----------
    slot : ModelSlot
    state : callable
        See `Served.state`.
    every_s : float or None
        How often it is asked; None leaves it to `asked`.
    asked : asyncio.Event
        Set where a swap is wanted at once, whatever the state is.
    """
    known = await _told(state)
    before = known
    while True:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asked.wait(), every_s)
        if asked.is_set():
            asked.clear()
            known = before = await _told(state)
            await slot.swap()
            continue
        now = await _told(state)
        if now is not None and now == before and now != known:
            known = now
            await slot.swap()
        before = now


async def _told(state: Callable[[], Hashable]) -> Hashable:
    """The state; None where it cannot be told now."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, state)
    except Exception as error:  # noqa: BLE001 - it is asked again a little later
        _LOG.warning("Whether the model has changed cannot be told now: %s", error)
        return None
