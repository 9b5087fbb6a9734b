"""Check: one thing that a run looked at, with what it found and what was allowed."""

from dataclasses import dataclass

__all__ = ["FAILED", "OK", "UNKNOWN", "WARNING", "Check"]

OK, WARNING, FAILED = "ok", "warning", "failed"
# Nothing to compare with, or nothing measured.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One line of a report's list.

    Attributes
    ----------
    what : str
        What was looked at.
    found : str
    allowed : str
        Empty where nothing but the truth is allowed: a pipeline loads, a key is nowhere twice.
    outcome : {"ok", "warning", "failed", "unknown"}, default "ok"
    """

    what: str
    found: str
    allowed: str = ""
    outcome: str = OK

    @property
    def text(self) -> str:
        """The line for people, behind its mark."""
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{self.found}{allowed}"
