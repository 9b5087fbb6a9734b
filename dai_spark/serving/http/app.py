"""The application of HTTP: the paths of all protocols, and what holds for each request."""

import logging
from typing import Any, Awaitable, Callable, List, Optional, Sequence, Tuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError
from dai_spark.serving.http.http_calls import HttpCalls, request_id_of
from dai_spark.serving.http.http_errors import headers_of, status_of
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.secret_files.bearer_token import BearerToken
from dai_spark.serving.watch.request_scope import TRACE_HEADERS, Watch, request_scope

__all__ = ["http_app", "metrics_route"]

_LOG = logging.getLogger("dai_spark")
# Asked by what starts and watches servers, which has no token.
OPEN_PATHS = (
    *("/live", "/ready", "/ping", "/health", "/healthcheck"),
    *("/v2/health/live", "/v2/health/ready"),
)
_Endpoint = Callable[[Request], Awaitable[Response]]


def http_app(
    calls: HttpCalls,
    protocols: Sequence[Protocol],
    token: Optional[BearerToken] = None,
    watch: Optional[Watch] = None,
    more: Sequence[Route] = (),
    open_paths: Sequence[str] = (),
) -> Any:
    """Make the application.

    Parameters
    ----------
    calls : HttpCalls
    protocols : sequence of Protocol
        The first one that has a path answers it.
    token : BearerToken, optional
        What requests have behind ``Authorization: Bearer``; those that ask for health have none.
    watch : callable, optional
        Is told each request when it is answered.
    more : sequence of Route
        Paths that are no protocol's.
    open_paths : sequence of str
        Those of them that want no token.

    Returns
    -------
    ASGI application
    """

    async def live(request: Request) -> Response:
        return PlainTextResponse("live\n")

    async def ready(request: Request) -> Response:
        calls.model()
        return PlainTextResponse("ready\n")

    routes: List[Route] = [
        Route("/live", live),
        Route("/ready", guarded(ready, _plain_error, "health", None)),
        *more,
    ]
    for protocol in protocols:
        routes += [
            Route(
                route.path,
                guarded(route.endpoint, protocol.error, protocol.name, watch),
                methods=list(route.methods or ()),
            )
            for route in protocol.routes
        ]
    app: Any = Starlette(routes=routes)
    return app if token is None else _TokenCheck(app, token, (*OPEN_PATHS, *open_paths), watch)


def metrics_route(metrics: Any) -> Route:
    """``GET /metrics``.

    Parameters
    ----------
    metrics : ServerMetrics
    """
    from dai_spark.serving.watch.server_metrics import CONTENT_TYPE

    async def tell(request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return Route("/metrics", tell)


def guarded(
    endpoint: _Endpoint,
    told: Callable[[Request, DaiSparkError, int], Response],
    protocol: str,
    watch: Optional[Watch],
) -> _Endpoint:
    """An endpoint whose errors are answers of its protocol.

    Parameters
    ----------
    endpoint : async callable
    told : callable
        See `Protocol.error`.
    protocol : str
    watch : callable or None
        Is told each request when it is answered.
    """

    async def answer(request: Request) -> Response:
        with request_scope(protocol, watch) as scope:
            scope.request_id = request_id_of(request)
            scope.trace = {
                name: request.headers[name] for name in TRACE_HEADERS if name in request.headers
            }
            try:
                response = await endpoint(request)
            except DaiSparkError as error:
                status = status_of(error)
                response = told(request, error, status)
                response.headers.update(headers_of(status))
                scope.told = type(error).__name__ if status == 400 else error.message
            except Exception:  # noqa: BLE001 - told to the client as 500
                _LOG.exception("Request %s failed.", scope.request_id)
                response = JSONResponse(
                    {"error": {"message": "The server failed; its log says why."}}
                )
                response.status_code = 500
            if scope.digest:
                response.headers["X-Model-Digest"] = scope.digest
            response.headers["X-Request-ID"] = scope.request_id
            scope.status = str(response.status_code)
            return response

    return answer


def _plain_error(request: Request, error: DaiSparkError, status: int) -> Response:
    return PlainTextResponse(f"{error.message}\n", status)


class _TokenCheck:
    """Refuses requests without the token, before anything of them is read."""

    def __init__(
        self, app: Any, token: BearerToken, open_paths: Sequence[str], watch: Optional[Watch]
    ) -> None:
        self._watch = watch
        self._app = app
        self._open_paths = frozenset(open_paths)
        self._token = token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            given = _header(scope["headers"], b"authorization")
            if not self._token.is_in(given):
                response = JSONResponse(
                    {
                        "error": {
                            "message": "The request has no token, or a wrong one; send "
                            "Authorization: Bearer TOKEN."
                        }
                    },
                    401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
                with request_scope("http", self._watch) as refused:
                    refused.status = "401"
                    await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _header(headers: Sequence[Tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for key, value in headers if key == name), b"")
