"""RequestScope: one request from its first byte to its answer, whatever its protocol."""

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, List, Optional

__all__ = ["RequestScope", "Watch", "current_scope", "request_scope"]


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
        Of the pipeline that scored them.
    told : str
        The sentence of its error.
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
    models: List[Any] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        """Since its first byte."""
        return time.perf_counter() - self.begun


# Is told each request when it is answered.
Watch = Callable[[RequestScope], None]
_current: "ContextVar[Optional[RequestScope]]" = ContextVar("dai_spark.request", default=None)


def current_scope() -> Optional[RequestScope]:
    """The request that this code runs for; None beside one."""
    return _current.get()


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
