"""The server's log: lines for people, or JSON; a line a request, and never a value of a row."""

import logging
import sys
from typing import Any, List

import structlog

from dai_spark.serving.watch.request_scope import RequestScope

__all__ = ["FORMATS", "log_request", "set_up_log"]

FORMATS = ("text", "json")
_ACCESS = "dai_spark.access"


def set_up_log(format: str, *, has_requests: bool = True) -> None:
    """Have all loggers of this process write lines of one format to standard error.

    Parameters
    ----------
    format : {"text", "json"}
    has_requests : bool, default True
        Whether each request has a line.
    """
    shared: List[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("dai_spark").setLevel(logging.INFO)
    logging.getLogger(_ACCESS).setLevel(logging.INFO if has_requests else logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_request(scope: RequestScope) -> None:
    """Write the line of a request that is answered.

    Parameters
    ----------
    scope : RequestScope
    """
    words = {
        "request_id": scope.request_id,
        "protocol": scope.protocol,
        "status": scope.status,
        "n_rows": scope.n_rows,
        "seconds": round(scope.seconds(), 6),
        "n_merged": scope.n_merged,
        "digest": ", ".join(digest[:12] for digest in scope.digest.split(", ")),
    }
    if scope.told:
        # A sentence that refuses values names them, and a log has none.
        words["error"] = scope.told
    structlog.get_logger(_ACCESS).info("request", **words)
