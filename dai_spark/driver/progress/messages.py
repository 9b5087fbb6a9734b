"""Messages: where a face tells what it is doing, and that something takes long."""

import logging
import threading
import time
from contextlib import contextmanager
from typing import Callable, Iterator

__all__ = ["WARNING", "log_message", "waiting"]

_LOG = logging.getLogger("dai_spark")
_HEARTBEAT_S = 10.0
# Begins a message on what may change scores or what they cost.
WARNING = "warning: "


def log_message(text: str) -> None:
    """Tell the logger ``dai_spark``: what every face does with a message by default.

    Runs on the driver.  A text that begins with ``warning: `` is logged as a warning, which Python
    shows where nobody has set up logging; any other as information, which it does not.
    """
    if text.startswith(WARNING):
        _LOG.warning("%s", text[len(WARNING) :])
    else:
        _LOG.info("%s", text)


@contextmanager
def waiting(
    on_message: Callable[[str], None], what: str, how_far: Callable[[], str] = str
) -> Iterator[None]:
    """Tell that something takes long, and every ten seconds that it still does.

    Parameters
    ----------
    on_message : callable
        Is given the text.
    what : str
        What is being done: ``loading the scorer``.
    how_far : callable
        Is asked each time for words to add; by default there are none.
    """
    done = threading.Event()
    begun = time.monotonic()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_S):
            on_message(f"still {what} ({time.monotonic() - begun:.0f} s{how_far()})")

    on_message(what)
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
