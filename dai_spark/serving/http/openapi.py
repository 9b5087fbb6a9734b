"""``/openapi.json``, a document of all paths made of the pipeline, and ``/docs``, a page to try it.

The page loads nothing from elsewhere.  It holds nothing of the pipeline, so it wants no token; what
it shows comes from the document, which wants one where the server does.
"""

import secrets
from importlib import resources
from typing import Any, Dict, List, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError
from dai_spark.serving.http.documented import Documented
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.http_protocol import Protocol

__all__ = ["DOCS", "docs_protocol"]

DOCS = "/docs"
_OPENAPI = "3.1.0"


def docs_protocol(calls: HttpCalls, protocols: Sequence[Protocol], has_token: bool) -> Protocol:
    """The two paths.

    Parameters
    ----------
    calls : HttpCalls
    protocols : sequence of Protocol
        Those that are served.
    has_token : bool
        Whether requests want one.
    """
    page = resources.files("dai_spark.serving.http").joinpath("docs.html").read_text("utf-8")

    async def document(request: Request) -> Response:
        model = calls.model()
        documented = Documented(model, await model.prediction_schema())
        return JSONResponse(_document(documented, protocols, has_token))

    async def docs(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(
            page.replace("{{ nonce }}", nonce), headers={"Content-Security-Policy": policy}
        )

    routes: List[Route] = [
        Route("/openapi.json", document, methods=["GET"]),
        Route(DOCS, docs, methods=["GET"]),
    ]
    return Protocol("docs", routes, _error)


def _document(
    documented: Documented, protocols: Sequence[Protocol], has_token: bool
) -> Dict[str, Any]:
    paths: Dict[str, Any] = {}
    model = documented.model
    for protocol in protocols:
        for path, operations in protocol.paths(documented).items():
            paths[path] = {
                method: {"tags": [protocol.name], "operationId": f"{method} {path}", **operation}
                for method, operation in operations.items()
            }
    found: Dict[str, Any] = {
        "openapi": _OPENAPI,
        "info": {
            "title": model.name,
            "version": model.digest[:12],
            "description": f"The scoring pipeline {model.pipeline.experiment_id} of Driverless AI. "
            "Every path scores with the pipeline's own bits.",
        },
        "paths": paths,
        "components": {"schemas": documented.schemas},
    }
    if has_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    return JSONResponse({"error": {"message": error.message}}, status)
