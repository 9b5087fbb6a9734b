"""Reflection: the services of a server, the typed one of the model that is served now."""

from typing import Any, AsyncIterator, Optional, Sequence, Tuple

from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from dai_spark.serving.grpc.served import GetModel
from dai_spark.serving.grpc.typed_service import TypedService

__all__ = ["Reflection"]


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):  # type: ignore[misc]
    """What tools without a .proto ask for (grpcurl, grpcui).

    Parameters
    ----------
    files : sequence of FileDescriptorProto
        Of the services that are there whatever model is served.
    typed : TypedService
    get_model : callable
    """

    def __init__(self, files: Sequence[Any], typed: TypedService, get_model: GetModel) -> None:
        self._files = list(files)
        self._typed = typed
        self._get_model = get_model
        self._made: Tuple[Optional[str], Any] = ("", None)

    async def ServerReflectionInfo(  # noqa: N802 - the protocol's name
        self, requests: Any, context: Any
    ) -> AsyncIterator[Any]:
        """Answer what is asked of files and services."""
        servicer = self._servicer()
        async for reply in servicer.ServerReflectionInfo(requests, context):
            yield reply

    def _servicer(self) -> Any:
        model = self._get_model()
        digest = None if model is None else model.digest
        if self._made[0] != digest:
            files = list(self._files)
            for module in (health_pb2, reflection_pb2):
                copied = descriptor_pb2.FileDescriptorProto()
                module.DESCRIPTOR.CopyToProto(copied)
                files.append(copied)
            if model is not None:
                files.append(self._typed.proto_of(model).file)
            pool = descriptor_pool.DescriptorPool()
            for file in files:
                # Of bytes, since a pool takes no message of another implementation.
                pool.AddSerializedFile(file.SerializeToString())
            services = [
                f"{file.package}.{service.name}" for file in files for service in file.service
            ]
            self._made = (digest, reflection.aio.ReflectionServicer(services, pool))
        return self._made[1]
