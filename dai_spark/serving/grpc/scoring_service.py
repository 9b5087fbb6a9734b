"""The service that every pipeline has: Info, Score and ScoreStream."""

import asyncio
from typing import Any, AsyncIterator, Callable, Dict, Mapping, Optional, Tuple

import grpc
import pyarrow as pa

from dai_spark.errors import DaiSparkError, NotReadyError, OptionError
from dai_spark.row_formats.row_formats import FORMATS
from dai_spark.schema.prediction import PredictionShape
from dai_spark.serving.grpc.call import (
    answered,
    model_of,
    request_id_of,
    streamed,
    timeout_of,
)
from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.scoring_proto import option_words
from dai_spark.serving.grpc.served import GetModel, Model
from dai_spark.serving.grpc.status_codes import abort, code_of
from dai_spark.serving.grpc.typed_service import TypedService
from dai_spark.serving.watch.request_scope import Watch, message_scope, scored_by

__all__ = ["ScoringService"]

# The fields of rows, and their formats.
_FORMATS = {"arrow": "arrow", "json": "json", "csv": "csv", "json_lines": "jsonl"}
# Messages of one stream that are scored at the same time.
_N_AHEAD = 8


class ScoringService:
    """``dai_spark.v1.Scoring``.

    Parameters
    ----------
    messages : Messages
        Of `dai_spark.serving.grpc.scoring_proto.scoring_file`.
    get_model : callable
    typed : TypedService
    most_bytes : int
        Of rows, when they are unpacked.
    watch : callable, optional
        Is told each call when it is answered.
    """

    def __init__(
        self,
        messages: Messages,
        get_model: GetModel,
        typed: TypedService,
        most_bytes: int,
        watch: Optional[Watch] = None,
    ) -> None:
        self._watch = watch
        self._messages = messages
        self._get_model = get_model
        self._typed = typed
        self._most_bytes = most_bytes

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given."""
        of = self._messages.of

        def unary(handle: Callable[[Any, Any], Any], request: str) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(
                answered(handle, self._watch),
                of(request).FromString,
                lambda reply: reply.SerializeToString(),
            )

        return grpc.method_handlers_generic_handler(
            self._messages.service,
            {
                "Info": unary(self._info, "InfoRequest"),
                "Score": unary(self._score, "ScoreRequest"),
                "ScoreStream": grpc.stream_stream_rpc_method_handler(
                    streamed(self._stream, self._watch),
                    of("StreamRequest").FromString,
                    lambda reply: reply.SerializeToString(),
                ),
            },
        )

    # -- Info ----------------------------------------------------------------------------------

    async def _info(self, request: Any, context: Any) -> Any:
        reply = self._messages.of("InfoReply")()
        model = self._get_model()
        if model is None:
            return reply
        reply.model, reply.digest, reply.is_ready = model.name, model.digest, True
        described = model.plan.described
        assert described is not None
        proto = self._typed.proto_of(model)
        for name, column in model.plan.wanted().items():
            kind = "number" if column.is_number else "text"
            reply.columns.add(
                name=name,
                kind=kind if column.is_known else "number or text",
                field=proto.fields[name],
                examples=[text for text in column.samples[:3] if text is not None],
            )
        for field in PredictionShape.of(model.plan).schema:
            reply.outputs.add(name=field.name, kind=str(field.type))
        reply.labels.extend(described.labels or ())
        reply.versions.update(described.versions)
        reply.typed_service = f"{proto.package}.{proto.service_name}"
        reply.typed_proto = proto.text()
        return reply

    # -- Score ---------------------------------------------------------------------------------

    async def _score(self, request: Any, context: Any) -> Any:
        model = await model_of(context, self._get_model)
        request_id = request_id_of(context, request.request_id)
        options = model.options_for(option_words(request.options))
        form = request.WhichOneof("rows")
        if form is None:
            raise OptionError("The request has no rows; set arrow, json, csv or json_lines.")
        table = self._table(model, form, getattr(request, form))
        scored = await model.score(table, options, timeout_of(context), request_id)
        reply = self._messages.of("ScoreReply")(
            digest=scored_by(model.digest), request_id=request_id
        )
        setattr(reply, form, FORMATS[_FORMATS[form]].write(scored))
        return reply

    def _table(self, model: Model, form: str, data: bytes) -> pa.Table:
        from dai_spark.row_formats.arrow_rows import read_arrow

        wanted = model.plan.wanted()
        if form == "arrow":
            return read_arrow(data, wanted, most_bytes=self._most_bytes)
        return FORMATS[_FORMATS[form]].read(data, wanted, ())

    # -- ScoreStream ---------------------------------------------------------------------------

    async def _stream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Messages are scored at the same time, and answered in their order."""
        with message_scope():
            await model_of(context, self._get_model)
        request_id = request_id_of(context)
        waiting: asyncio.Queue[Any] = asyncio.Queue(_N_AHEAD)
        reader = asyncio.ensure_future(self._read(requests, context, request_id, waiting))
        try:
            while True:
                task = await waiting.get()
                if task is None:
                    break
                yield await task
            await reader
        except DaiSparkError as error:
            await abort(context, error)
        finally:
            reader.cancel()
            while not waiting.empty():
                task = waiting.get_nowait()
                if task is not None:
                    task.cancel()

    async def _read(
        self,
        requests: AsyncIterator[Any],
        context: Any,
        request_id: str,
        waiting: "asyncio.Queue[Any]",
    ) -> None:
        words: Dict[str, Any] = {}
        n_messages = 0
        try:
            async for request in requests:
                if request.HasField("options"):
                    if n_messages:
                        raise OptionError("The options of a stream stand in its first message.")
                    words = option_words(request.options)
                    with message_scope():
                        self._model().options_for(words)
                    if not request.arrow:
                        n_messages += 1
                        continue
                name = f"{request_id}.{n_messages}"
                n_messages += 1
                task = asyncio.ensure_future(
                    self._one(request.arrow, words, timeout_of(context), name)
                )
                await waiting.put(task)
        finally:
            await waiting.put(None)

    async def _one(self, data: bytes, words: Mapping[str, Any], timeout_s: Any, name: str) -> Any:
        reply = self._messages.of("StreamReply")()
        with message_scope() as scope:
            try:
                model = self._model()
                reply.digest = model.digest
                table = self._table(model, "arrow", data)
                scored = await model.score(table, model.options_for(words), timeout_s, name)
                reply.digest = scored_by(model.digest)
                reply.arrow = FORMATS["arrow"].write(scored)
            except (DaiSparkError, TimeoutError) as error:
                scope.told = type(error).__name__
                code, text = _told(error)
                reply.error.code = code
                reply.error.name = type(error).__name__
                reply.error.message = text
        return reply

    def _model(self) -> Model:
        model = self._get_model()
        if model is None:
            raise NotReadyError("The server is not ready: its pipeline is being loaded.")
        return model


def _told(error: BaseException) -> Tuple[int, str]:
    text = error.message if isinstance(error, DaiSparkError) else "The deadline was over."
    return code_of(error).value[0], text
