"""What may befall a pipeline: one name a fate, so that a test can ask for it.

Fates in scoring wait for a marked row: one with `MARK_TEXT` in a text column or `MARK_NUMBER` in a
numeric one.  With `mixed_in_score` the mark, in a text column, says which fate it is (`MARKS`); of
those that end or hold up a batch, the first row's happens.  `as_told` runs what the variables
`CODE_IN_LOAD` and `CODE_IN_SCORE` hold, in these places.  The others happen always.  Limits: a
hang lasts for ever, `grow_in_score` keeps `GROWTH_BYTES` a batch, `flood_in_score` prints
`FLOOD_BYTES`.
"""

import json
import os
import re
import signal
import socket
import sys
import time
from typing import Any, Dict, List

import numpy as np

from . import spoils

MARK_TEXT = "stand-in: now"
MARK_NUMBER = -987654.0
GROWTH_BYTES = 10000000
FLOOD_BYTES = 100000000
MARKS = {
    "raise_in_score": "stand-in: raise",
    "exit_in_score": "stand-in: exit",
    "segfault_in_score": "stand-in: segfault",
    "hang_in_score": "stand-in: hang",
    "nan_in_score": "stand-in: nan",
}
# Every byte there is, so that no decoder takes all of it: 0x80 alone is no UTF-8.
GARBAGE = bytes(bytearray(range(256))) * 40

IN_LOAD = (
    "raise_in_load",
    "exit_in_load",
    "leave_in_load",
    "segfault_in_load",
    "hang_in_load",
    "large_in_load",
    "tell_license_in_load",
    "needs_recipe_server",
)
IN_SCORE = (
    "raise_in_score",
    "large_in_score",
    "tell_license_in_score",
    "leave_in_score",
    "exit_in_score",
    "segfault_in_score",
    "hang_in_score",
    "spin_in_score",
    "nan_in_score",
    "short_in_score",
    "flood_in_score",
    "garbage_in_score",
    "orphan_in_score",
    "orphan_exit_in_score",
    "orphan_segfault_in_score",
)
OF_FORK = ("refuses_fork", "refuses_fork_by_raising")
ALL = IN_LOAD + IN_SCORE + OF_FORK + spoils.ALL + ("grow_in_score", "mixed_in_score", "as_told")
# Python code for `as_told`: what a pipeline, or a library of it, does to its process.
CODE_IN_LOAD = "STAND_IN_CODE_IN_LOAD"
CODE_IN_SCORE = "STAND_IN_CODE_IN_SCORE"

EXIT_CODE = 70
RECIPE_SERVER_PORT = 50361
# For so long a child of a scorer outlives it, with copies of all that it had open.
ORPHAN_S = 30
# Addresses that are asked for and never touched: only a limit on them refuses so many.
LARGE_BYTES = 1 << 32

_kept: List[bytes] = []


class H2OConnectionError(Exception):
    """Named as the H2O-3 client names it, so that callers can look for the name."""


def _hang() -> None:
    while True:
        time.sleep(60)


def _spin() -> None:
    # For longer than anybody waits, with Python's own lock held: no thread of this process runs.
    re.match(r"(a+)+$", 64 * "a" + "b")


def _die(signal_number: int) -> None:
    os.kill(os.getpid(), signal_number)
    time.sleep(60)


def _leave_orphan() -> None:
    if os.fork() == 0:
        time.sleep(ORPHAN_S)
        os._exit(0)


def _flood() -> None:
    line = "stand-in: flood " + 83 * "." + "\n"
    for _ in range(FLOOD_BYTES // (1000 * len(line))):
        sys.stdout.write(1000 * line)
    # Last, so that it is still there where only the end of a log is kept.
    sys.stdout.write("stand-in: flooded\n")


def _write_garbage() -> None:
    # Past Python's own encoders, as a native library writes.
    sys.stdout.flush()
    os.write(1, GARBAGE)


def _tell_license() -> None:
    """Print the licence as careless code does, so that some of it stands where a tail is cut."""
    text = os.environ.get("DRIVERLESS_AI_LICENSE_KEY", "")
    folded = "\n".join(text[i : i + 40] for i in range(0, len(text), 40))
    for form in (text, repr(text), repr({"key": text + "\n"}), json.dumps([text]), folded):
        sys.stdout.write("stand-in: licence %s!\n" % form)
    for i in range(len(text)):
        sys.stdout.write(text[i])
        if i % 30 == 0:
            sys.stdout.flush()
    sys.stdout.write("".join("\n%d %s" % (i, text) for i in range(100)))
    sys.stdout.write("\nstand-in: told\n")
    sys.stdout.flush()
    raise ValueError("stand-in: the licence %s of %r" % (text, {"key": text}))


def _call_recipe_server() -> None:
    try:
        socket.create_connection(("127.0.0.1", RECIPE_SERVER_PORT), timeout=2).close()
    except OSError as error:
        raise H2OConnectionError(
            "stand-in: the model of this pipeline needs the H2O-3 recipe server, and nothing "
            "answers at localhost:%d (%s)" % (RECIPE_SERVER_PORT, error)
        ) from error


# What the code of `as_told` has made so far.
_names: Dict[str, Any] = {"__name__": "stand_in_code"}


def _do(variable: str) -> None:
    exec(os.environ.get(variable, ""), _names)


def in_load(fate: str) -> None:
    """Let the fate happen at the end of the constructor's work, if it is one of loading."""
    if fate == "raise_in_load":
        raise RuntimeError("stand-in: raise_in_load")
    if fate == "exit_in_load":
        os._exit(EXIT_CODE)
    if fate == "leave_in_load":
        os._exit(0)
    if fate == "segfault_in_load":
        _die(signal.SIGSEGV)
    if fate == "hang_in_load":
        _hang()
    if fate == "large_in_load":
        np.zeros(LARGE_BYTES, dtype=np.uint8)
    if fate == "tell_license_in_load":
        _tell_license()
    if fate == "needs_recipe_server":
        _call_recipe_server()
    if fate == "as_told":
        _do(CODE_IN_LOAD)


def marked(frame: Any, text: str = MARK_TEXT, number: float = MARK_NUMBER) -> Any:
    """Return a boolean array with True for each row of a pandas DataFrame that bears a mark."""
    found = [
        (frame[name] == (text if frame[name].dtype == object else number)).values
        for name in frame.columns
    ]
    return sum(found[1:], found[0])


def _marked_for(frame: Any, fate: str) -> Any:
    # No number equals NaN, so none is a mark.
    return marked(frame, MARKS[fate], float("nan"))


def _first_of_mixed(frame: Any) -> str:
    """Return the fate of the first row that is marked for one; NaN befalls the answer only."""
    rows = {}
    for fate in MARKS:
        found = np.flatnonzero(_marked_for(frame, fate))
        if len(found) and fate != "nan_in_score":
            rows[found[0]] = fate
    return rows[min(rows)] if rows else ""


def before_score(fate: str, frame: Any, loaded_in: int) -> None:
    """Let the fate happen before a batch is scored; `loaded_in` is the process id of loading."""
    if fate in OF_FORK and os.getpid() != loaded_in:
        if fate == "refuses_fork_by_raising":
            raise RuntimeError("stand-in: loaded in another process than this one")
        _hang()
    if fate == "grow_in_score":
        _kept.append(os.urandom(GROWTH_BYTES))
    if fate == "as_told":
        _do(CODE_IN_SCORE)
    if fate == "mixed_in_score":
        fate = _first_of_mixed(frame)
    elif fate not in IN_SCORE or not marked(frame).any():
        return
    if fate.startswith("orphan_"):
        _leave_orphan()
        fate = fate.replace("orphan_", "")
    if fate == "raise_in_score":
        raise ValueError("stand-in: raise_in_score")
    if fate == "large_in_score":
        np.zeros(LARGE_BYTES, dtype=np.uint8)
    if fate == "tell_license_in_score":
        _tell_license()
    if fate == "leave_in_score":
        sys.exit(-1)
    if fate == "exit_in_score":
        os._exit(EXIT_CODE)
    if fate == "segfault_in_score":
        _die(signal.SIGSEGV)
    if fate == "hang_in_score":
        _hang()
    if fate == "spin_in_score":
        _spin()
    if fate == "flood_in_score":
        _flood()
    if fate == "garbage_in_score":
        _write_garbage()


def after_score(fate: str, frame: Any, answer: Any) -> Any:
    """Return the answer for a batch as the fate leaves it."""
    if fate in spoils.ALL:
        return spoils.spoil(fate, len(frame), marked(frame).any(), answer)
    if fate == "nan_in_score":
        answer[marked(frame)] = float("nan")
    elif fate == "mixed_in_score":
        answer[_marked_for(frame, "nan_in_score")] = float("nan")
    elif fate == "short_in_score" and marked(frame).any():
        return answer.iloc[:-1]
    return answer
