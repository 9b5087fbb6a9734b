"""RequestScope: one request from its first byte to its answer, whatever its protocol."""

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple

__all__ = [
    "TRACE_HEADERS",
    "RequestScope",
    "Watch",
    "current_scope",
    "message_scope",
    "request_scope",
    "scored_by",
]


@dataclass
class RequestScope:
    """What is known of a request while it is answered.

    Attributes
    ----------
    protocol : str
    request_id : str
    status : str
        HTTP's number or gRPC's word; empty until there is an answer.
    n_rows : int
        That were scored for it.
    digest : str
        Of the pipeline that scored them; of both where a split had rows for both.
    told : str
        The sentence of its error.
    n_merged : int
        Most calls of a batch that its rows were in, itself included; 0 where none was scored.
    batch : tuple of float or None
        When the last of its calls came, had a scorer, and was scored: `time.perf_counter`.
    trace : mapping of str to str
        Headers of the trace that it belongs to.
    models : list of ServedModel
        Those that it has looked up, which stay open until it is answered: a swap would close one
        between the rows that were read for it and their scores.
    begun : float
        Of `time.perf_counter`.
    """

    protocol: str
    request_id: str = ""
    status: str = ""
    n_rows: int = 0
    digest: str = ""
    told: str = ""
    n_merged: int = 0
    batch: Optional[Tuple[float, float, float]] = None
    trace: Mapping[str, str] = field(default_factory=dict)
    models: List[Any] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        """Since its first byte."""
        return time.perf_counter() - self.begun


TRACE_HEADERS = ("traceparent", "tracestate")
# Is told each request when it is answered.
Watch = Callable[[RequestScope], None]
_current: "ContextVar[Optional[RequestScope]]" = ContextVar("dai_spark.request", default=None)


def current_scope() -> Optional[RequestScope]:
    """The request that this code runs for; None beside one."""
    return _current.get()


def scored_by(digest: str) -> str:
    """Which pipeline has scored the rows of the request that this code runs for.

    Parameters
    ----------
    digest : str
        Of the one that would have, where that is not known.
    """
    scope = _current.get()
    return (scope.digest if scope is not None else "") or digest


@contextmanager
def message_scope() -> Iterator[RequestScope]:
    """A block that answers one message of a stream: its model is let go behind it.

    A stream may go on for longer than a model is served.  The stream's own scope adds up what its
    messages were.
    """
    whole = _current.get()
    scope = RequestScope("" if whole is None else whole.protocol)
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)
        for model in scope.models:
            model.release()
        if whole is not None:
            whole.n_rows += scope.n_rows
            whole.n_merged = max(whole.n_merged, scope.n_merged)
            whole.digest, whole.batch = scope.digest or whole.digest, scope.batch or whole.batch
            whole.told = scope.told or whole.told


@contextmanager
def request_scope(protocol: str, watch: Optional[Watch]) -> Iterator[RequestScope]:
    """A block that answers one request.

    Parameters
    ----------
    protocol : str
    watch : callable or None
        Is told the request behind the block.
    """
    scope = RequestScope(protocol)
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)
        for model in scope.models:
            model.release()
        if watch is not None:
            watch(scope)
