"""Texts of errors can be sent, whatever they hold: in the sidecar, and in our other processes."""

import pytest

from dai_spark.errors import _DETAILS_BYTES, _MESSAGE_BYTES, ScoringError, from_spark
from dai_spark.errors import sendable as sendable_by_us
from dai_spark.sidecar.texts import error_text
from dai_spark.sidecar.texts.error_text import (
    MESSAGE_BYTES,
    TRACEBACK_BYTES,
    keep_out,
    sendable,
    sendable_traceback,
    type_name,
)

SURROGATES = "bad \udcff\ud800 x"
TEXTS = [
    "",
    "plain",
    SURROGATES,
    "é" * 12_000,
    "\ud800" * 12_000,
    "x" * (50 << 20),
    "begin " + 12_000_000 * "é" + " end",
    "飛" * 999 + "x",
    "a" * 1000,
    "a" * 1001,
]


@pytest.mark.parametrize("rule", [sendable, sendable_by_us])
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_is_short_and_valid(rule, text):
    """Cut in bytes and not in characters, ends kept, length told, and cut once for all."""
    found = rule(text, 1000)
    assert len(found.encode("utf-8")) <= 1000
    assert rule(found, 1000) == found
    escaped = text[:1100].encode("utf-8", "backslashreplace")
    if len(escaped) <= 1000:
        assert found == escaped.decode("utf-8")
    else:
        assert f"[... {len(text)} characters in all, " in found
        assert found[:50] == escaped.decode("utf-8", "ignore")[:50]
        assert found[-1] == text[-1:].encode("utf-8", "backslashreplace").decode()[-1]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_both_have_one_rule(text):
    """The sidecar imports nothing of ours, so there are two copies."""
    assert sendable(text, 1000) == sendable_by_us(text, 1000)


def test_every_error_of_ours_can_be_sent():
    """Where it is made, so that each way out has it; the end mark within a text ends nothing."""
    error = ScoringError(SURROGATES + "\u200bz", "é" * 12_000_000, cause=SURROGATES)
    assert error.message == "bad \\udcff\\ud800 x\\u200bz"
    assert error.cause == "bad \\udcff\\ud800 x"
    assert len(str(error).encode("utf-8")) < _MESSAGE_BYTES + _DETAILS_BYTES
    told = from_spark(RuntimeError(f"dai_spark.errors.ScoringError: {error}\n\tat java"))
    assert (told.message, told.details) == (error.message, error.details)


class Raises(ValueError):
    """Has no text."""

    def __str__(self):
        raise RuntimeError("no text either")

    __repr__ = __str__


class NoText(ValueError):
    """Its text is a number."""

    def __str__(self):
        return 7


class Leaves(ValueError):
    """Leaves when it is printed."""

    def __str__(self):
        raise SystemExit(1)


class Disguised(str):
    """A text with ways of its own."""

    def encode(self, *arguments):
        raise RuntimeError("not encoded")

    def replace(self, *arguments):
        return 7

    def __len__(self):
        return 1 << 60


def raised(error):
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize("error", [Raises(), NoText(), Leaves()], ids=lambda e: type(e).__name__)
def test_an_exception_without_a_text_is_told_by_its_type(error):
    """Of the error itself, and as the cause of another."""
    name = type(error).__name__
    assert sendable(error).startswith(f"<a {name} whose text cannot be made: ")
    assert name in sendable_traceback(raised(error))
    other = RuntimeError("told")
    other.__cause__ = error
    assert "told" in sendable_traceback(raised(other))


def test_a_text_with_ways_of_its_own_is_a_text():
    """A subclass of str decides nothing."""
    assert sendable(Disguised(SURROGATES)) == "bad \\udcff\\ud800 x"
    assert type_name(Disguised()) == "Disguised"


def deep(n):
    return 1 / n if n == 0 else other(n - 1)


def other(n):
    return deep(n)


def test_tracebacks_of_many_frames_and_many_errors_are_cut():
    """Recursion, and a chain of errors, each with a long text."""
    with pytest.raises(ZeroDivisionError) as caught:
        deep(400)
    assert len(sendable_traceback(caught.value).encode()) <= TRACEBACK_BYTES
    assert sendable_traceback(caught.value).endswith("ZeroDivisionError: division by zero\n")
    error = None
    for number in range(3000):
        error, before = ValueError(f"{number} " + "é" * 1000 + SURROGATES), error
        error.__cause__ = before
    found = sendable_traceback(raised(error))
    assert len(found.encode("utf-8")) <= TRACEBACK_BYTES
    assert "ValueError: 2999 é" in found
    assert len(sendable(error).encode("utf-8")) <= MESSAGE_BYTES


def test_a_secret_is_out_before_a_text_is_cut(monkeypatch):
    """A cut through it would leave a part that nobody finds any more."""
    monkeypatch.setattr(error_text, "_secrets", [])
    keep_out(" ")
    keep_out("LICENCE-OF-32-CHARACTERS-IN-ALL!")
    for before in range(300, 520):
        text = "x" * before + "LICENCE-OF-32-CHARACTERS-IN-ALL!" + "y" * 2000
        found = sendable(text, 1000)
        assert "LIC" not in found
        assert "!" not in found
