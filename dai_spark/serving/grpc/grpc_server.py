"""GrpcServer: gRPC's protocols on one port, in the event loop that starts it."""

from dataclasses import dataclass
from typing import Any, List, Optional

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from dai_spark.errors import OptionError
from dai_spark.serving.grpc.inference_proto import inference_file
from dai_spark.serving.grpc.inference_service import InferenceService
from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.reflected import Reflection
from dai_spark.serving.grpc.scoring_proto import scoring_file
from dai_spark.serving.grpc.scoring_service import ScoringService
from dai_spark.serving.grpc.served import GetModel
from dai_spark.serving.grpc.typed_service import TypedService
from dai_spark.serving.secret_files.bearer_token import BearerToken
from dai_spark.serving.watch.request_scope import Watch, request_scope

__all__ = ["GrpcServer", "GrpcSettings"]

_HEALTH = f"/{health.SERVICE_NAME}/"


@dataclass(frozen=True)
class GrpcSettings:
    """Where and for whom a server listens.

    Attributes
    ----------
    host : str
    port : int
        0 takes one that is free.
    token : BearerToken, optional
        What calls have behind ``Bearer`` in their metadata ``authorization``; health has none.
    tls_key, tls_cert : bytes, optional
        PEM, both or none.
    tls_client_ca : bytes, optional
        PEM: only clients with a certificate of it are served.
    most_bytes : int, default 64 MiB
        Of a message, and of its rows when they are unpacked.
    package : str, optional
        Of the typed service, see `TypedProto`.
    """

    host: str = "127.0.0.1"
    port: int = 50052
    token: Optional[BearerToken] = None
    tls_key: Optional[bytes] = None
    tls_cert: Optional[bytes] = None
    tls_client_ca: Optional[bytes] = None
    most_bytes: int = 64 << 20
    package: Optional[str] = None


class GrpcServer:
    """The services of `dai_spark.serving.grpc`, with health and reflection.

    Parameters
    ----------
    get_model : callable
        Gives the model that is served now, None while none is ready.
    settings : GrpcSettings
    watch : callable, optional
        Is told each call when it is answered.
    """

    def __init__(
        self, get_model: GetModel, settings: GrpcSettings, watch: Optional[Watch] = None
    ) -> None:
        self._watch = watch
        self._get_model = get_model
        self._settings = settings
        self._typed = TypedService(get_model, settings.package, watch)
        self._health = health.aio.HealthServicer()
        self._services: List[str] = []
        self._server: Any = None
        self.port = 0

    async def start(self) -> int:
        """Listen; the port.

        Raises
        ------
        OptionError
            The address is taken, or the certificate cannot be read.
        """
        settings = self._settings
        limits = [
            ("grpc.max_receive_message_length", settings.most_bytes),
            ("grpc.max_send_message_length", -1),
            # Else two servers could share a port, and each have half of the calls.
            ("grpc.so_reuseport", 0),
        ]
        interceptors = (
            [_TokenCheck(settings.token, self._watch)] if settings.token is not None else []
        )
        self._server = grpc.aio.server(options=limits, interceptors=interceptors)
        scoring, inference = Messages(scoring_file()), Messages(inference_file())
        self._server.add_generic_rpc_handlers(
            (
                ScoringService(
                    scoring, self._get_model, self._typed, settings.most_bytes, self._watch
                ).handler(),
                InferenceService(inference, self._get_model, self._watch).handler(),
                self._typed,
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services = [scoring.service, inference.service]
        reflected = Reflection([scoring.file, inference.file], self._typed, self._get_model)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, self._server)
        await self._tell_health(is_serving=self._get_model() is not None)
        address = f"{settings.host}:{settings.port}"
        if ":" in settings.host and not settings.host.startswith("["):
            address = f"[{settings.host}]:{settings.port}"
        try:
            credentials = self._credentials()
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OptionError(
                f"gRPC cannot listen on {address}: the address is taken or is none of this host's, "
                "or the certificate and its key cannot be read."
            ) from error
        await self._server.start()
        return self.port

    def _credentials(self) -> Any:
        settings = self._settings
        if settings.tls_cert is None and settings.tls_key is None:
            if settings.tls_client_ca is not None:
                raise OptionError(
                    "A CA of clients wants the server's own certificate and key, too."
                )
            return None
        if settings.tls_cert is None or settings.tls_key is None:
            raise OptionError("TLS wants both a certificate and its key.")
        return grpc.ssl_server_credentials(
            [(settings.tls_key, settings.tls_cert)],
            settings.tls_client_ca,
            settings.tls_client_ca is not None,
        )

    async def _tell_health(self, *, is_serving: bool) -> None:
        of = health_pb2.HealthCheckResponse
        state = of.SERVING if is_serving else of.NOT_SERVING
        model = self._get_model()
        typed = () if model is None else (self._typed.service_name(model),)
        for name in ("", *self._services, *typed):
            await self._health.set(name, state)

    async def tell_ready(self, *, is_ready: bool) -> None:
        """Have health say whether calls are answered.

        Parameters
        ----------
        is_ready : bool
        """
        await self._tell_health(is_serving=is_ready)

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and end those that go on after so many seconds.

        Parameters
        ----------
        grace_s : float
        """
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace_s)


class _TokenCheck(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls without the token, before their message is read."""

    def __init__(self, token: BearerToken, watch: Optional[Watch]) -> None:
        self._watch = watch
        self._token = token

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        if details.method.startswith(_HEALTH):
            return await continuation(details)
        for name, value in details.invocation_metadata or ():
            given = value.encode() if isinstance(value, str) else value
            if name == "authorization" and self._token.is_in(given):
                return await continuation(details)
        handler = await continuation(details)
        return None if handler is None else _refusal(handler, self._watch)


def _refusal(handler: Any, watch: Optional[Watch]) -> Any:
    """A handler of the same shape that refuses: streams are ended in their own way."""

    async def unary(request: Any, context: Any) -> None:
        with request_scope("grpc", watch) as scope:
            scope.status = grpc.StatusCode.UNAUTHENTICATED.name
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "The call has no token, or a wrong one; send the metadata authorization: Bearer "
                "TOKEN.",
            )

    async def stream(request: Any, context: Any) -> Any:
        await unary(request, context)
        yield None

    makers = {
        (False, False): (grpc.unary_unary_rpc_method_handler, unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, unary),
        (True, True): (grpc.stream_stream_rpc_method_handler, stream),
    }
    make, refuse = makers[(handler.request_streaming, handler.response_streaming)]
    return make(refuse)
