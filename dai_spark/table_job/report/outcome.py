"""How a run ended: one word for the report, one number for the scheduler."""

import json
from contextlib import contextmanager
from typing import Dict, Iterator

from dai_spark.errors import DaiSparkError

__all__ = ["EXIT_STATUSES", "STATUSES", "exit_status", "failure_json", "refusing"]

# Every status that a report can have, and that `DaiSparkError.status` can be, with its exit status.
STATUSES: Dict[str, int] = {
    "done": 0,
    "nothing to do": 0,
    "already done": 0,
    "dry run": 0,
    "failed": 1,
    "usage": 2,
    "refused": 3,
    "bad rows": 4,
    "drift": 5,
    "contract": 6,
    "differs": 7,
    "too few rows": 8,
}
EXIT_STATUSES: Dict[int, str] = {
    0: "done, or nothing was to be done; the report says which",
    1: "failed after it had started; run it again",
    2: "wrong usage: an option that cannot be meant, or two that exclude each other",
    3: "refused before anything was scored; the target is as it was",
    4: "more bad rows than --max-bad-rows; the target is as it was",
    5: "predictions moved further than --fail-on-drift; the target is as it was",
    6: "the run is not what --contract says it must be; the target is as it was",
    7: "rows were written, and --verify found some that differ from what scoring them again gives",
    8: "fewer rows than --min-rows, or none for a target that has some, which is as it was",
    130: "interrupted from the keyboard",
}


def exit_status(error: DaiSparkError) -> int:
    """Return the exit status of the table job that ended with this error.

    Parameters
    ----------
    error : DaiSparkError
    """
    return STATUSES.get(error.status, STATUSES["failed"])


def failure_json(error: DaiSparkError) -> str:
    """Return what ``--json`` prints of a job that ended with this error: one line, one object.

    Parameters
    ----------
    error : DaiSparkError
    """
    found = {"status": error.status, "exit_status": exit_status(error), "message": error.message}
    return json.dumps(found)


@contextmanager
def refusing() -> Iterator[None]:
    """Mark what is raised in the block as a refusal: nothing has been scored."""
    try:
        yield
    except DaiSparkError as error:
        if error.status == DaiSparkError.status:
            error.status = "refused"
        raise
