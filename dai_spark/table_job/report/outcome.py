"""How a run of the table job ended: one word for the report, one number for the scheduler."""

from typing import Dict, NamedTuple

from dai_spark.errors import DaiSparkError

__all__ = ["STATUSES", "Status", "exit_status"]


class Status(NamedTuple):
    """The exit status of an ending, and what it means."""

    exit_status: int
    meaning: str


# By `DaiSparkError.status`; "done" and "interrupted" have no error of ours.
STATUSES: Dict[str, Status] = {
    "done": Status(0, "done, or nothing was to be done; the report says which"),
    "failed": Status(1, "failed after it had started; run it again"),
    "usage": Status(
        2, "wrong usage: an option that cannot be meant, or two that exclude each other"
    ),
    "refused": Status(3, "refused before anything was scored; the target is as it was"),
    "bad rows": Status(4, "more bad rows than --max-bad-rows; the target is as it was"),
    "drift": Status(5, "predictions moved further than --fail-on-drift; the target is as it was"),
    "interrupted": Status(130, "interrupted from the keyboard"),
}


def exit_status(error: DaiSparkError) -> int:
    """Return the exit status of the table job that ended with this error."""
    return STATUSES.get(error.status, STATUSES["failed"]).exit_status
