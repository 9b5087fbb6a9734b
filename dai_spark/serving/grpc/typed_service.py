"""The service of a pipeline's own: typed messages, one row each."""

import asyncio
from typing import Any, AsyncIterator, Dict, List, Optional, Tuple

import grpc

from dai_spark.errors import DaiSparkError, OptionError
from dai_spark.serving.grpc.call import (
    answered,
    model_of,
    request_id_of,
    streamed,
    timeout_of,
)
from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.served import GetModel, Model
from dai_spark.serving.grpc.status_codes import abort
from dai_spark.serving.grpc.typed_proto import TypedProto, TypedRows, typed_proto_of
from dai_spark.serving.watch.request_scope import Watch, message_scope

__all__ = ["TypedService"]

# Rows of one stream that are scored at the same time.
_N_AHEAD = 64


class TypedService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the typed calls of the model that is served now.

    A model that takes another one's place may have other columns, and then another service.

    Parameters
    ----------
    get_model : callable
    package : str, optional
        See `TypedProto`.
    watch : callable, optional
        Is told each call when it is answered.
    """

    def __init__(
        self,
        get_model: GetModel,
        package: Optional[str] = None,
        watch: Optional[Watch] = None,
    ) -> None:
        self._watch = watch
        self._get_model = get_model
        self._package = package
        self._known: Dict[str, Tuple[TypedProto, Messages, TypedRows]] = {}

    def proto_of(self, model: Model) -> TypedProto:
        """The service of a model.

        Parameters
        ----------
        model : Model
        """
        return self._of(model)[0]

    def service_name(self, model: Model) -> str:
        """The full name of a model's service.

        Parameters
        ----------
        model : Model
        """
        return self._of(model)[1].service

    def _of(self, model: Model) -> Tuple[TypedProto, Messages, TypedRows]:
        if model.digest not in self._known:
            proto = typed_proto_of(model.plan, self._package)
            messages = Messages(proto.file)
            # The one before may have calls that go on.
            self._known = dict(list(self._known.items())[-1:])
            self._known[model.digest] = (proto, messages, proto.bind(messages))
        return self._known[model.digest]

    def service(self, handler_call_details: Any) -> Optional[grpc.RpcMethodHandler]:
        """Of a call's path; None where it is none of this service's."""
        model = self._get_model()
        if model is None:
            return None
        proto, messages, rows = self._of(model)
        service, _, name = handler_call_details.method[1:].rpartition("/")
        if service != messages.service or name not in proto.method_names:
            return None
        reads, writes = rows.request.FromString, lambda reply: reply.SerializeToString()
        if name == proto.method_names[0]:
            return grpc.unary_unary_rpc_method_handler(
                answered(self._predict, self._watch), reads, writes
            )
        return grpc.stream_stream_rpc_method_handler(
            streamed(self._stream, self._watch), reads, writes
        )

    async def _predict(self, request: Any, context: Any) -> Any:
        model = await model_of(context, self._get_model)
        return await self._one(model, request, context, request_id_of(context))

    async def _one(self, model: Model, request: Any, context: Any, request_id: str) -> Any:
        rows = self._of(model)[2]
        if not isinstance(request, rows.request):
            # The model was changed between the request's first byte and now.
            if type(request).DESCRIPTOR.full_name != rows.request.DESCRIPTOR.full_name:
                raise OptionError(
                    "The server has another pipeline now, with other columns; make the client from "
                    "its .proto."
                )
            request = rows.request.FromString(request.SerializeToString())
        options = model.options_for({"labels": True} if rows.has_labels else {})
        scored = await model.score(rows.table([request]), options, timeout_of(context), request_id)
        return rows.replies(scored)[0]

    async def _message(self, request: Any, context: Any, request_id: str) -> Any:
        with message_scope():
            model = await model_of(context, self._get_model)
            return await self._one(model, request, context, request_id)

    async def _stream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Rows are scored at the same time, and answered in their order; an error ends it."""
        request_id = request_id_of(context)
        waiting: asyncio.Queue[Any] = asyncio.Queue(_N_AHEAD)

        async def read() -> None:
            n_rows = 0
            try:
                async for request in requests:
                    one = self._message(request, context, f"{request_id}.{n_rows}")
                    n_rows += 1
                    await waiting.put(asyncio.ensure_future(one))
            finally:
                await waiting.put(None)

        reader = asyncio.ensure_future(read())
        left: List[Any] = []
        try:
            while True:
                task = await waiting.get()
                if task is None:
                    break
                left = [task]
                yield await task
            await reader
        except (DaiSparkError, TimeoutError) as error:
            await abort(context, error)
        finally:
            reader.cancel()
            while not waiting.empty():
                left.append(waiting.get_nowait())
            for task in left:
                if task is not None:
                    task.cancel()
