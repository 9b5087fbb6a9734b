"""Protocol: what the application asks of each of its protocols."""

from typing import Any, Callable, Dict, List, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError
from dai_spark.serving.http.documented import Documented

__all__ = ["Protocol"]


def _no_paths(documented: Documented) -> Dict[str, Any]:
    return {}


class Protocol(NamedTuple):
    """A protocol's paths, and how it tells an error.

    Attributes
    ----------
    name : str
    routes : list of starlette.routing.Route
    error : callable
        The answer to a request that failed: of the request, the error and its HTTP status.
    paths : callable
        What OpenAPI says of its paths: operations by path and method.
    """

    name: str
    routes: List[Route]
    error: Callable[[Request, DaiSparkError, int], Response]
    paths: Callable[[Documented], Dict[str, Any]] = _no_paths
