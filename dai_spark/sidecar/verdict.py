"""Why the pipeline does not load here, left in the run folder for the tasks that come next."""

import os
import signal
import time
from typing import Any, Dict, Optional

from . import protocol
from .atomic_file import write_json

# Signals that say nothing of the pipeline: somebody ended the process, or memory was short.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)
_LOADED_NAME = "loaded"


def leave_verdict(run_folder: str, error: Dict[str, Any]) -> None:
    """Leave an error object of the protocol, unless the pipeline has loaded here before.

    What has loaded once can load: another load fails of something else, as of too little memory.
    """
    if not has_loaded(run_folder):
        write_json(
            os.path.join(run_folder, protocol.VERDICT_NAME), dict(error, time=time.monotonic())
        )


def note_loaded(run_folder: str) -> None:
    """Take down that a scorer of this sidecar has loaded, and take back what was said before."""
    with open(os.path.join(run_folder, _LOADED_NAME), "w"):
        pass
    try:
        os.unlink(os.path.join(run_folder, protocol.VERDICT_NAME))
    except OSError:
        pass


def has_loaded(run_folder: str) -> bool:
    """Whether a scorer that loads for itself has done so here."""
    return os.path.exists(os.path.join(run_folder, _LOADED_NAME))


def ended_in_load(status: int) -> Dict[str, str]:
    """The error object of a process that ended while it loaded.

    Parameters
    ----------
    status : int
        As `subprocess` tells it: an exit code, or less than 0 for a signal.
    """
    if status < 0:
        message = "was killed by signal {}".format(_signal_name(-status))
    else:
        message = "left with exit code {}".format(status)
    return {"kind": "ended", "type": "", "message": message, "traceback": ""}


def is_from_outside(status: int) -> bool:
    """Whether another attempt may well load."""
    return -status in _FROM_OUTSIDE


def exit_status(wait_status: int) -> int:
    """What `subprocess` would call a status of `os.waitpid`."""
    if os.WIFSIGNALED(wait_status):
        return -os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status)


def _signal_name(number: int) -> str:
    name: Optional[str] = None
    try:
        name = signal.Signals(number).name
    except ValueError:
        pass
    return str(number) if name is None else "{} ({})".format(number, name)
