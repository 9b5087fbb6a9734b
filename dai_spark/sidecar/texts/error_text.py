"""Texts of errors, made fit to leave this process: short, in valid UTF-8, without the licence.

What a pipeline raises is anybody's text.  A lone surrogate cannot be written as UTF-8, so Spark
waits for ever for a worker that tries; megabytes hold up Spark's retries; and the `str` of an
exception may itself raise.  All texts of errors in this process come from here.
"""

import traceback
from typing import Any, List

from .secret import Secret

# What a reader takes in, and a traceback of some hundred frames.
MESSAGE_BYTES = 16 << 10
TRACEBACK_BYTES = 64 << 10

_secrets: List[Secret] = []


def keep_out(secret: str) -> None:
    """Put three stars for this text in every later one: before it is cut, so no part stays."""
    _secrets.append(Secret(secret.strip()))


def sendable(text: Any, most_bytes: int = MESSAGE_BYTES) -> str:
    """Return `text` in at most so many bytes of UTF-8, its two ends kept and its length told.

    Lone surrogates become the escapes that Python itself prints for them.

    Parameters
    ----------
    text : object
        Anything; its `str` is taken, or words that stand for it where it has none.
    most_bytes : int
    """
    try:
        # Exactly a str, by a slice of `str` itself: a subclass may have methods of its own.
        whole = str.__getitem__(str(text), slice(None))
    except BaseException as error:
        return "<a {} whose text cannot be made: {}>".format(type_name(text), type_name(error))
    for secret in _secrets:
        whole = secret.clean(whole)
    # No character has less than a byte, so what is cut off here is cut off below as well.
    head = whole[: most_bytes + 1].encode("utf-8", "backslashreplace")
    if len(whole) <= most_bytes and len(head) <= most_bytes:
        return head.decode("utf-8")
    told = " [... {} characters in all, the middle is left out ...] ".format(len(whole))
    kept = max(0, most_bytes - len(told)) // 2
    tail = whole[-most_bytes:].encode("utf-8", "backslashreplace")
    return (
        head[:kept].decode("utf-8", "ignore")
        + told
        + tail[len(tail) - kept :].decode("utf-8", "ignore")
    )


def type_name(value: Any) -> str:
    """Return the name of a value's type, whatever its metaclass does."""
    return sendable(type.__dict__["__name__"].__get__(type(value)), 200)


def sendable_traceback(error: BaseException) -> str:
    """Return the traceback of an error and of those that it came from, fit to be sent."""
    try:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        return sendable("".join(lines), TRACEBACK_BYTES)
    except BaseException:
        # A `str` that raises, a chain that is too long: the frames of this error alone.
        pass
    try:
        frames = "".join(traceback.format_tb(error.__traceback__))
    except BaseException:
        frames = "  (its frames cannot be told)\n"
    last = "{}: {}\n".format(type_name(error), sendable(error))
    return sendable("Traceback (most recent call last):\n" + frames + last, TRACEBACK_BYTES)
