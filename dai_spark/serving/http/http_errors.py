"""Which HTTP status an error has."""

from typing import Dict, Tuple, Type

from dai_spark.errors import (
    ColumnError,
    DaiSparkError,
    DeadlineError,
    NotReadyError,
    OptionError,
    RequestError,
    ScorerBusyError,
    ScorerClosedError,
    SidecarTimeoutError,
    TooLargeError,
)

__all__ = ["headers_of", "status_of"]

# The nearest class first.
_STATUSES: Tuple[Tuple[Type[DaiSparkError], int], ...] = (
    (TooLargeError, 413),
    (RequestError, 400),
    (ColumnError, 400),
    (OptionError, 400),
    (ScorerBusyError, 429),
    (NotReadyError, 503),
    (ScorerClosedError, 503),
    (DeadlineError, 504),
    (SidecarTimeoutError, 504),
)
_RETRY_S = 1


def status_of(error: DaiSparkError) -> int:
    """The status of an error: 500 where the client is not to blame, and waiting would not help.

    Parameters
    ----------
    error : DaiSparkError
    """
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def headers_of(status: int) -> Dict[str, str]:
    """When to call again, where that may help."""
    return {"Retry-After": str(_RETRY_S)} if status in (429, 503) else {}
