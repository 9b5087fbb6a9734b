"""The server's log: lines for people, or JSON; a line a request, and never a value of a row."""

import logging
import sys
from typing import Any, List

import orjson
import structlog

from dai_spark.serving.watch.request_scope import RequestScope

__all__ = ["FORMATS", "log_request", "set_up_log"]

FORMATS = ("text", "json")


class _Requests:
    """The logger of requests; None where they have no lines."""

    logger: Any = None


_requests = _Requests()


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
    _requests.logger = _request_logger(format) if has_requests else None
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


def _request_logger(format: str) -> Any:
    """Of the lines of requests, which come by the thousand: straight to standard error."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    factory: Any
    if format == "json":
        render: Any = structlog.processors.JSONRenderer(serializer=_bytes)
        factory = structlog.BytesLogger(sys.stderr.buffer)
    else:
        render = _text
        factory = structlog.WriteLogger(sys.stderr)
    return structlog.wrap_logger(
        factory,
        processors=[stamp, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind()


def _bytes(words: Any, **options: Any) -> bytes:
    found: bytes = orjson.dumps(words)
    return found


def _text(logger: Any, method: str, words: Any) -> str:
    """A line as the console's renderer has it, which takes ten times as long."""
    stamp, event, level = words.pop("timestamp"), words.pop("event"), words.pop("level")
    told = " ".join(f"{name}={_told(value)}" for name, value in sorted(words.items()))
    return f"{stamp} [{level:<9}] {event} {told}"


def _told(value: Any) -> str:
    # What a client calls its request must not look like another line.
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)


def log_request(scope: RequestScope) -> None:
    """Write the line of a request that is answered.

    Parameters
    ----------
    scope : RequestScope
    """
    if _requests.logger is None:
        return
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
    _requests.logger.info("request", level="info", **words)
