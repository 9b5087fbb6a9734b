"""run_server: HTTP and gRPC on one loaded pipeline, in one event loop, until it is told to end."""

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Hashable, Iterator, Optional, Sequence, Tuple

from dai_spark.errors import OptionError
from dai_spark.plan.ranges import LONGEST_S, number, seconds, whole_number
from dai_spark.serving.lifecycle.drain import Parts, drain
from dai_spark.serving.lifecycle.follow import follow
from dai_spark.serving.lifecycle.model_slot import ModelSlot
from dai_spark.serving.secret_files.bearer_token import BearerToken
from dai_spark.serving.secret_files.tls_files import check_tls
from dai_spark.serving.served_model import ServedModel
from dai_spark.serving.watch.request_scope import RequestScope, Watch
from dai_spark.serving.watch.spans import Spans, open_spans

__all__ = ["Prepared", "Served", "ServerSettings", "http_application", "run_server"]

# What orchestrators wait between SIGTERM and SIGKILL is 30 s.
_DRAIN_S = 25.0
_MOST_PORT = 65_535


@dataclass(frozen=True)
class ServerSettings:
    """Where and for whom a server listens.

    Attributes
    ----------
    host : str
    port : int
        Of HTTP; 0 takes one that is free.
    grpc_port : int or None
        None starts no gRPC.
    token : BearerToken or None
        What clients must show; a file's is renewed when the pipeline is looked at.
    most_bytes : int
        Of a request's body.
    tls_cert, tls_key, tls_client_ca : Path or None
        PEM files.
    predict_paths, health_paths : tuple of str
        Further paths of ``/invocations`` and ``/ping``, which Vertex names.
    drain_s : float
        How long requests may go on when the server is told to end.
    grpc_package : str or None
        Of the typed service; None takes one with a hash of the pipeline's columns.
    reload_s : float or None
        How often the pipeline's file or alias is looked at; None leaves it to SIGHUP.
    open_metrics : bool
        Whether ``/metrics`` wants no token.
    strict_dai : bool
        See `dai_spark.serving.http.protocols.dai_rpc.dai_rpc_protocol`.
    served : tuple of str or None
        Names of the protocols of HTTP; None serves all.

    Raises
    ------
    OptionError
        A value that cannot be meant, or files of TLS that are none.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: Optional[int] = None
    token: Optional[BearerToken] = None
    most_bytes: int = 64 << 20
    tls_cert: Optional[Path] = None
    tls_key: Optional[Path] = None
    tls_client_ca: Optional[Path] = None
    predict_paths: Tuple[str, ...] = ()
    health_paths: Tuple[str, ...] = ()
    drain_s: float = _DRAIN_S
    grpc_package: Optional[str] = None
    reload_s: Optional[float] = None
    open_metrics: bool = False
    strict_dai: bool = False
    served: Optional[Tuple[str, ...]] = None

    def __post_init__(self) -> None:
        whole_number("port", self.port, 0, _MOST_PORT)
        if self.grpc_port is not None:
            whole_number("grpc_port", self.grpc_port, 0, _MOST_PORT)
        whole_number("max_body_bytes", self.most_bytes, 1, 1 << 40)
        number("drain_s", self.drain_s, 0, LONGEST_S)
        if self.reload_s is not None:
            seconds("reload_s", self.reload_s)
        check_tls(self.tls_cert, self.tls_key, self.tls_client_ca)


@dataclass(frozen=True)
class Served:
    """What a server serves, and how it learns that it is another one now.

    Attributes
    ----------
    load : callable
        Loads the model that is to be served now; blocks.
    state : callable
        What differs when the file is another one, or the alias leads to another version; blocks.
    collectors : sequence
        Of further metrics.
    """

    load: Callable[[], ServedModel]
    state: Callable[[], Hashable]
    collectors: Sequence[Any] = ()


@dataclass(frozen=True)
class Prepared:
    """What is asked to be served; nothing is loaded yet.

    Attributes
    ----------
    served : Served
    settings : ServerSettings
    close : callable
        Writes what is noted of calls.
    """

    served: Served
    settings: ServerSettings
    close: Callable[[], None]


def run_server(served: Served, settings: ServerSettings, on_message: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is there, and end.

    Blocks.  The server is live at once, and ready when the pipeline is loaded and has scored its
    own example.

    Parameters
    ----------
    served : Served
    settings : ServerSettings
    on_message : callable
        Is told where the server listens, and that it is ready.

    Raises
    ------
    DaiSparkError
        The first model does not load, or the address is taken.
    """
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(served, settings, on_message))
    else:
        uvloop.run(_serve(served, settings, on_message))


async def _serve(
    served: Served, settings: ServerSettings, on_message: Callable[[str], None]
) -> None:
    slot = ModelSlot(served.load)
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    at_once = asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        # The second one does not wait for requests.
        loop.add_signal_handler(kind, lambda: at_once.set() if ending.is_set() else ending.set())
    asked = asyncio.Event()

    def state() -> Hashable:
        if settings.token is not None:
            settings.token.renew()
        return served.state()

    loop.add_signal_handler(signal.SIGHUP, asked.set)
    spans = open_spans()
    http, watch = _http(slot, settings, served.collectors, spans)
    following: Optional[asyncio.Future[None]] = None
    serving = asyncio.ensure_future(http.serve())
    ended = asyncio.ensure_future(ending.wait())
    grpc_server: Any = None
    filling: Optional[asyncio.Future[ServedModel]] = None
    try:
        while not http.started:
            if serving.done():
                await serving
                raise _address_is_taken(settings.host, settings.port)
            await asyncio.sleep(0.005)
        port = http.servers[0].sockets[0].getsockname()[1]
        scheme = "http" if settings.tls_cert is None else "https"
        on_message(f"listening on {scheme}://{settings.host}:{port}, loading the pipeline")
        if settings.grpc_port is not None:
            grpc_server = _grpc(slot, settings, watch)
            grpc_port = await grpc_server.start()
            on_message(f"listening on {settings.host}:{grpc_port} for gRPC")
        filling = asyncio.ensure_future(slot.fill())
        await asyncio.wait({filling, ended, serving}, return_when=asyncio.FIRST_COMPLETED)
        if filling.done():
            model = await filling
            if grpc_server is not None:
                await grpc_server.tell_ready(is_ready=True)
            on_message(f"ready: {model.name}, SHA-256 {model.digest[:12]}")
            following = asyncio.ensure_future(follow(slot, state, settings.reload_s, asked))
            await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
            on_message("ending: requests that are there are answered, further ones are not taken")
    finally:
        ended.cancel()
        if following is not None:
            following.cancel()
        parts = Parts(slot, http, serving, grpc_server, filling)
        await drain(parts, settings.drain_s, at_once, on_message)
        if spans is not None:
            await loop.run_in_executor(None, spans.close)


def http_application(
    slot: ModelSlot, settings: ServerSettings, collectors: Sequence[Any], spans: Optional[Spans]
) -> Tuple[Any, Watch]:
    """What answers HTTP, and what is told each request of any protocol.

    Parameters
    ----------
    slot : ModelSlot
    settings : ServerSettings
    collectors : sequence
        Of further metrics.
    spans : Spans or None

    Raises
    ------
    OptionError
        Packages of the server are not installed.
    """
    try:
        from dai_spark.serving.http.app import http_app, metrics_route
        from dai_spark.serving.http.http_calls import HttpCalls
        from dai_spark.serving.http.openapi import DOCS, docs_protocol
        from dai_spark.serving.http.protocols.served_protocols import served_protocols
        from dai_spark.serving.watch.server_log import log_request
        from dai_spark.serving.watch.server_metrics import ServerMetrics
    except ImportError as error:
        raise OptionError(
            f"The server wants packages that are not here ({error.name}): pip install "
            "'dai_spark[serving]'."
        ) from error

    calls = HttpCalls(slot.get, settings.most_bytes)
    protocols = served_protocols(
        calls,
        settings.served,
        settings.predict_paths,
        settings.health_paths,
        settings.strict_dai,
    )
    metrics = ServerMetrics(slot, collectors)

    def watch(scope: RequestScope) -> None:
        metrics.saw(scope)
        log_request(scope)
        if spans is not None:
            spans.saw(scope)

    docs = docs_protocol(calls, protocols, settings.token is not None)
    app = http_app(
        calls,
        [*protocols, docs],
        settings.token,
        watch,
        [metrics_route(metrics)],
        (DOCS, *settings.health_paths, *(("/metrics",) if settings.open_metrics else ())),
    )
    return app, watch


def _http(
    slot: ModelSlot, settings: ServerSettings, collectors: Sequence[Any], spans: Optional[Spans]
) -> Tuple[Any, Watch]:
    app, watch = http_application(slot, settings, collectors, spans)
    # Where the application's packages are, it is, too.
    import uvicorn

    class Server(uvicorn.Server):
        """Leaves signals to the whole, which ends gRPC and the scorers as well."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=75,
            backlog=2048,
            **_tls(settings),
        )
    )
    return server, watch


def _tls(settings: ServerSettings) -> "dict[str, Any]":
    import ssl

    if settings.tls_cert is None:
        return {}
    found: dict[str, Any] = {
        "ssl_certfile": str(settings.tls_cert),
        "ssl_keyfile": str(settings.tls_key),
    }
    if settings.tls_client_ca is not None:
        found.update(ssl_ca_certs=str(settings.tls_client_ca), ssl_cert_reqs=int(ssl.CERT_REQUIRED))
    return found


def _grpc(slot: ModelSlot, settings: ServerSettings, watch: Watch) -> Any:
    try:
        from dai_spark.serving.grpc.grpc_server import GrpcServer, GrpcSettings
    except ImportError as error:
        raise OptionError(
            f"gRPC wants packages that are not here ({error.name}): pip install 'dai_spark[grpc]'."
        ) from error
    assert settings.grpc_port is not None
    files: Sequence[Optional[Path]] = (settings.tls_key, settings.tls_cert, settings.tls_client_ca)
    key, cert, client_ca = (None if file is None else file.read_bytes() for file in files)
    return GrpcServer(
        slot.get,
        GrpcSettings(
            settings.host,
            settings.grpc_port,
            settings.token,
            key,
            cert,
            client_ca,
            settings.most_bytes,
            settings.grpc_package,
        ),
        watch,
    )


def _address_is_taken(host: str, port: int) -> OptionError:
    return OptionError(
        f"The server cannot listen on {host}:{port}: the address is taken, or is none of this "
        "host's; give another --port or --host."
    )
