"""score_file: a file scored through a running server, by its stream of Arrow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import grpc
import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import UNKNOWN, PipelineColumn
from dai_spark.batch_files.input_files import STANDARD, input_files
from dai_spark.batch_files.output_file import written_file
from dai_spark.errors import OptionError, ScoringError
from dai_spark.row_formats.prediction_bytes import arrow_bytes
from dai_spark.row_formats.row_formats import format_of_name
from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.scoring_proto import scoring_file

__all__ = ["Server", "score_file", "server_info"]

_KINDS = {"number": "float64", "text": "object"}
# Rows of one message, so that none is larger than servers take.
_MESSAGE_ROWS = 10_000
_INFO_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    address : str
        ``HOST:PORT``
    token : str, optional
    tls_ca : bytes, optional
        PEM of who signed the server's certificate; without it nothing is encrypted.
    tls_key, tls_cert : bytes, optional
        PEM of the client's own.
    """

    address: str
    token: Optional[str] = None
    tls_ca: Optional[bytes] = None
    tls_key: Optional[bytes] = None
    tls_cert: Optional[bytes] = None

    def channel(self) -> Any:
        """A channel, to be closed."""
        limits = [("grpc.max_receive_message_length", -1)]
        if self.tls_ca is None:
            return grpc.insecure_channel(self.address, limits)
        credentials = grpc.ssl_channel_credentials(self.tls_ca, self.tls_key, self.tls_cert)
        return grpc.secure_channel(self.address, credentials, limits)

    def metadata(self) -> List[Tuple[str, str]]:
        """What each call has with it."""
        return [] if self.token is None else [("authorization", f"Bearer {self.token}")]


def server_info(server: Server) -> Any:
    """What a server says of its pipeline: an ``InfoReply``.

    Parameters
    ----------
    server : Server

    Raises
    ------
    OptionError
        It is not there, not ready, or does not answer this service.
    """
    messages = Messages(scoring_file())
    with server.channel() as channel:
        call = channel.unary_unary(
            f"/{messages.service}/Info",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=messages.of("InfoReply").FromString,
        )
        try:
            info = call(
                messages.of("InfoRequest")(), timeout=_INFO_TIMEOUT_S, metadata=server.metadata()
            )
        except grpc.RpcError as error:
            raise OptionError(
                f"The server {server.address} does not say what it serves "
                f"({error.code().name}: {error.details()})."
            ) from error
    if not info.is_ready:
        raise OptionError(f"The server {server.address} has no pipeline that is ready yet.")
    return info


def score_file(
    server: Server,
    source: str,
    target: str,
    options: Mapping[str, Any],
    *,
    from_format: Optional[str] = None,
    to_format: Optional[str] = None,
    on_rows: Callable[[int], None] = lambda n_rows: None,
) -> int:
    """Score a file through a server; rows out are rows in, in their order.

    Parameters
    ----------
    server : Server
    source, target : str
        Files, or ``-``.
    options : mapping
        Fields of the message ``Options``.
    from_format, to_format : str, optional
        By default names of files tell.
    on_rows : callable
        Is told how many rows were written since the last time.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    OptionError, ColumnError, ScoringError
    """
    files = input_files(source, from_format)
    if len(files) != 1 or Path(source).is_dir():
        raise OptionError(f"{source} is a folder; give one file.")
    (one,) = files
    path = None if target == STANDARD else Path(target)
    format = to_format or (one.format if path is None else format_of_name(path.name).name)
    info = server_info(server)
    wanted = {
        column.name: PipelineColumn(column.name, _KINDS.get(column.kind, UNKNOWN))
        for column in info.columns
    }
    n_rows = n_tables = 0
    with server.channel() as channel, written_file(path, format) as output:
        for scored in _scored(channel, server, one.tables(wanted, ()), options):
            if n_tables == 0:
                output.begin(scored.schema, "odahu" if one.is_split else "records")
            output.write(scored)
            n_tables += 1
            n_rows += scored.num_rows
            on_rows(scored.num_rows)
    return n_rows


def _scored(
    channel: Any, server: Server, tables: Iterator[pa.Table], options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    messages = Messages(scoring_file())
    raised: Dict[str, BaseException] = {}
    call = channel.stream_stream(
        f"/{messages.service}/ScoreStream",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=messages.of("StreamReply").FromString,
    )

    def requests() -> Iterator[Any]:
        # In a thread of gRPC's, which tells nobody what is raised there.
        try:
            yield from _requests(messages, tables, options)
        except BaseException as error:
            raised["error"] = error
            raise

    first_row = 0
    try:
        for reply in call(requests(), metadata=server.metadata()):
            if reply.HasField("error"):
                raise ScoringError(
                    f"The server {server.address} has no scores for the rows from {first_row} on: "
                    f"{reply.error.message}"
                )
            table = pa.ipc.open_stream(reply.arrow).read_all()
            first_row += table.num_rows
            yield table
    except grpc.RpcError as error:
        if "error" in raised:
            raise raised["error"] from None
        raise ScoringError(
            f"The server {server.address} ended the call ({error.code().name}: {error.details()})."
        ) from error


def _requests(
    messages: Messages, tables: Iterator[pa.Table], options: Mapping[str, Any]
) -> Iterator[Any]:
    of = messages.of("StreamRequest")
    is_first = True
    for table in tables:
        for start in range(0, max(table.num_rows, 1), _MESSAGE_ROWS):
            request = of(arrow=arrow_bytes(table.slice(start, _MESSAGE_ROWS)))
            if is_first and options:
                request.options.CopyFrom(messages.of("Options")(**options))
            is_first = False
            yield request
