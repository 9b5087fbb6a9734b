"""Protocol: what the application asks of each of its protocols."""

from typing import Callable, List, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError

__all__ = ["Protocol"]


class Protocol(NamedTuple):
    """A protocol's paths, and how it tells an error.

    Attributes
    ----------
    name : str
    routes : list of starlette.routing.Route
    error : callable
        The answer to a request that failed: of the request, the error and its HTTP status.
    """

    name: str
    routes: List[Route]
    error: Callable[[Request, DaiSparkError, int], Response]
