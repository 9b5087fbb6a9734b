"""The commands ``dai-spark grpc proto`` and ``dai-spark grpc client``."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from dai_spark.cli.command import add_command, add_group, tell
from dai_spark.cli.predict_command import wrong_input
from dai_spark.errors import OptionError

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_grpc_commands"]

_PROTO_DETAILS = """\
The typed service has a field for each column that the pipeline uses, so the pipeline is loaded
(--env), or a running server is asked (HOST:PORT).  The services `scoring` and `inference` are the
same for every pipeline.  It wants `pip install 'dai_spark[grpc]'`."""
_PROTO_EXAMPLES = """\
  dai-spark grpc proto scorer.zip --env dai-1.10.tar.zst -o customers.proto
  dai-spark grpc proto localhost:50052 -o customers.proto
  dai-spark grpc proto --service scoring -o scoring.proto"""
_CLIENT_DETAILS = """\
The file is sent as a stream of Arrow; each value is checked here as `dai-spark predict` does."""
_CLIENT_EXAMPLES = """\
  dai-spark grpc client localhost:50052 rows.csv scores.csv
  dai-spark grpc client scores.example:50052 rows.parquet scores.parquet --tls-ca ca.pem \\
      --token-file token"""
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}")


def add_grpc_commands(commands: "Commands") -> None:
    """Add the group ``grpc``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "grpc", "make clients of the server's gRPC, and be one")
    proto = add_command(
        group,
        "proto",
        _proto,
        "write the .proto of a service",
        details=_PROTO_DETAILS,
        examples=_PROTO_EXAMPLES,
    )
    proto.add_argument(
        "pipeline", nargs="?", metavar="PIPELINE", help="the pipeline, or HOST:PORT of a server"
    )
    proto.add_argument(
        "--service",
        choices=("typed", "scoring", "inference"),
        default="typed",
        help="the pipeline's own, every pipeline's, or the Open Inference Protocol's",
    )
    proto.add_argument("--package", help="of the typed service (default: one with a hash in it)")
    proto.add_argument("--env", metavar="ARCHIVE", help="the packed environment")
    proto.add_argument("--license-file", metavar="PATH", help="the licence")
    proto.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    _add_server(proto)
    proto.set_defaults(exit_status=wrong_input)
    client = add_command(
        group,
        "client",
        _client,
        "score a file through a running server",
        details=_CLIENT_DETAILS,
        examples=_CLIENT_EXAMPLES,
    )
    client.add_argument("server", metavar="HOST:PORT", help="where the server listens")
    client.add_argument("source", metavar="FILE", help="rows, or - for standard input")
    client.add_argument("target", metavar="OUT", help="predictions, or - for standard output")
    client.add_argument("--from", dest="from_format", metavar="FORMAT", help="format of FILE")
    client.add_argument("--to", dest="to_format", metavar="FORMAT", help="format of OUT")
    client.add_argument("--labels", action="store_true", help="add the class that is chosen")
    client.add_argument(
        "--contributions",
        choices=("transformed", "original"),
        help="what each feature, or each column, adds to the margin, in place of the prediction",
    )
    _add_server(client)
    client.set_defaults(exit_status=wrong_input)


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    for flag, text in (
        ("--token-file", "what it wants to see of its clients"),
        ("--tls-ca", "who signed its certificate (PEM); without it nothing is encrypted"),
        ("--tls-cert", "the client's own certificate (PEM)"),
        ("--tls-key", "its key (PEM)"),
    ):
        group.add_argument(flag, metavar="FILE", help=text)


def _server(arguments: argparse.Namespace, address: str) -> Any:
    from dai_spark.serving.grpc.file_client import Server

    token = _read(arguments.token_file)
    return Server(
        address,
        None if token is None else token.decode().strip(),
        _read(arguments.tls_ca),
        _read(arguments.tls_key),
        _read(arguments.tls_cert),
    )


def _read(path: Optional[str]) -> Optional[bytes]:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror or error}).") from error


def _proto(arguments: argparse.Namespace) -> None:
    _check_grpc()
    text = _proto_text(arguments)
    if arguments.output is None:
        sys.stdout.write(text)
        return
    try:
        Path(arguments.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(
            f"{arguments.output} cannot be written ({error.strerror or error})."
        ) from error


def _proto_text(arguments: argparse.Namespace) -> str:
    if arguments.service == "scoring":
        from dai_spark.serving.grpc.scoring_proto import scoring_text

        return scoring_text()
    if arguments.service == "inference":
        from dai_spark.serving.grpc.inference_proto import inference_file
        from dai_spark.serving.grpc.proto_file import proto_text

        return proto_text(inference_file())
    if arguments.pipeline is None:
        raise OptionError("The typed service is a pipeline's own; name the pipeline, or a server.")
    if _ADDRESS.fullmatch(arguments.pipeline) and not Path(arguments.pipeline).exists():
        from dai_spark.serving.grpc.file_client import server_info

        if arguments.package is not None:
            raise OptionError("A running server has its package already; leave --package out.")
        return str(server_info(_server(arguments, arguments.pipeline)).typed_proto)
    from dai_spark.local.open_scorer import open_scorer
    from dai_spark.plan.options import ScoringOptions
    from dai_spark.serving.grpc.typed_proto import typed_proto_of

    with open_scorer(
        arguments.pipeline, arguments.env, license_file=arguments.license_file
    ) as scorer:
        return typed_proto_of(scorer.plan_for(ScoringOptions()), arguments.package).text()


def _client(arguments: argparse.Namespace) -> None:
    _check_grpc()
    from dai_spark.serving.grpc.file_client import score_file

    options = {"labels": True} if arguments.labels else {}
    if arguments.contributions is not None:
        options["contributions"] = arguments.contributions
    n_rows = score_file(
        _server(arguments, arguments.server),
        arguments.source,
        arguments.target,
        options,
        from_format=arguments.from_format,
        to_format=arguments.to_format,
    )
    tell(f"{n_rows:,} rows scored by {arguments.server}")


def _check_grpc() -> None:
    try:
        import grpc  # noqa: F401 - only whether it is there is asked
    except ImportError as error:
        raise OptionError("gRPC is not installed; pip install 'dai_spark[grpc]'.") from error
