"""causes: an error of Spark's as the chain of what caused it, whichever way it came to Python.

Three ways: pyspark's own class around an exception of the JVM, py4j's around one that pyspark has
no class for (`str` of it begins "An error occurred while calling o20871.append."), and over Spark
Connect a text alone.  Where a task failed, Spark's own exception may hold the task's as text.
"""

import re
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

__all__ = ["Cause", "causes", "is_of_spark", "original"]

_PACKAGES = ("pyspark.", "py4j.", "grpc.")
# A chain may lead back to itself.
_MOST_CAUSES = 20
_CONDITION = re.compile(r"\s*\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]\s*")
_STATE = re.compile(r"\bSQLSTATE: ([0-9A-Z]{5})\b")
# `java.io.IOException: No space left on device`, at a line's start, behind "Caused by:", or behind
# the host of a task that was lost.
_IN_TEXT = re.compile(
    r"(?:^\s*|\): |Caused by: )((?:[a-z_][\w$]*\.)+[A-Z][\w$]*): ([^\n]*)", re.MULTILINE
)
_FRAGMENT = re.compile(r"^== SQL[^\n]*==\n([^\n]+)\n", re.MULTILINE)
# What begins behind a message, and is no part of it.
_BEHIND = re.compile(r"\s*(?:\.?\s*SQLSTATE: |\n== |\n\nJVM stacktrace|\n\s*at [\w.$]+\(|\n'[A-Z])")
# The last line of a Python traceback.
_RAISED = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)(?:: [^\n]*)?)$", re.M)


@dataclass(frozen=True)
class Cause:
    """One exception of a chain.

    Attributes
    ----------
    name : str
        Its class, without the package.
    text : str
        Its message, whole.
    condition, state : str
        Spark's error condition (``TABLE_OR_VIEW_NOT_FOUND``) and SQLSTATE; empty where it has none.
    """

    name: str
    text: str
    condition: str = ""
    state: str = ""

    @classmethod
    def of(cls, name: str, text: str, condition: str = "", state: str = "") -> "Cause":
        """Make one, with condition and SQLSTATE from the message where nothing else tells them."""
        found = _CONDITION.match(text)
        told = _STATE.search(text)
        return cls(
            name.rpartition(".")[2].rpartition("$")[2],
            text,
            condition or (found.group(1) if found else ""),
            state or (told.group(1) if told else ""),
        )

    @property
    def told(self) -> str:
        """Its message on one line, without condition, SQLSTATE, plan and stack."""
        raised = _RAISED.findall(self.text) if "Traceback (most recent" in self.text else []
        text = raised[-1] if raised else _BEHIND.split(_CONDITION.sub("", self.text, 1), 1)[0]
        return " ".join(text.split()).rstrip(".:;,")

    @property
    def fragment(self) -> str:
        """The SQL that Spark says it was about; empty where it says nothing."""
        found = _FRAGMENT.search(self.text)
        return found.group(1).strip() if found else ""


def is_of_spark(error: BaseException) -> bool:
    """Whether Spark, py4j or Connect raised it: by its class, or where it was raised.

    Where the JVM is gone, py4j lets Python's own ``ConnectionRefusedError`` pass.

    Parameters
    ----------
    error : BaseException
    """
    if any(kind.__module__.startswith(_PACKAGES) for kind in type(error).__mro__):
        return True
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and str(frame.tb_frame.f_globals.get("__name__", "")).startswith(
        _PACKAGES
    )


def causes(error: BaseException) -> List[Cause]:
    """Return an error and what caused it, the innermost last.

    Runs on the driver; asks the JVM for each exception of the chain.

    Parameters
    ----------
    error : BaseException
    """
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    found = _of_java(java) if java is not None else [_of_python(error), *_in_text(_stack(error))]
    # A task's exception as text is further in than Spark's own that holds it.
    return [*found, *(inner for cause in found[-1:] for inner in _in_text(cause.text))]


def original(error: BaseException) -> str:
    """Return all that an error says of itself, stack included.

    Parameters
    ----------
    error : BaseException
    """
    text, stack = str(error), _stack(error)
    return text if stack in text else f"{text}\n{stack}"


def _of_python(error: BaseException) -> Cause:
    condition, state = (_said(error, name) for name in ("getCondition", "getSqlState"))
    return Cause.of(type(error).__name__, str(error), condition, state)


def _of_java(java: Any) -> List[Cause]:
    found: List[Cause] = []
    while java is not None and len(found) < _MOST_CAUSES:
        condition = _said(java, "getCondition") or _said(java, "getErrorClass")
        state = _said(java, "getSqlState")
        name, text = str(java.getClass().getName()), java.getMessage()
        found.append(Cause.of(name, "" if text is None else str(text), condition, state))
        java = java.getCause()
    return found


def _said(thing: Any, method: str) -> str:
    """What a method answers that only some of these classes have."""
    try:
        answer = getattr(thing, method)()
    except Exception:  # noqa: BLE001 - py4j says so of a method that is not there
        return ""
    return answer if isinstance(answer, str) else ""


def _stack(error: BaseException) -> str:
    """The JVM's stack as text: what Connect sent, and what pyspark keeps where it has no object."""
    own: Tuple[Optional[Any], ...] = (
        getattr(error, "_stackTrace", None),
        getattr(error, "_stacktrace", None),
    )
    return next((text for text in own if isinstance(text, str)), "")


def _in_text(text: str) -> List[Cause]:
    found = [Cause.of(name, said) for name, said in _IN_TEXT.findall(text)]
    return found[:_MOST_CAUSES]
