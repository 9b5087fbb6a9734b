"""The command ``dai-spark serve``."""

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Tuple

from dai_spark.cli.command import add_command, tell
from dai_spark.cli.predict_command import add_pipeline_arguments, asked_sha256, wrong_input

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands
    from dai_spark.serving.beside.open_beside import Beside
    from dai_spark.serving.call_notes import CallNotes
    from dai_spark.serving.contract import Contract
    from dai_spark.serving.run_server import Prepared
    from dai_spark.serving.secret_files.bearer_token import BearerToken

__all__ = ["add_serve", "prepared_of"]

_LOG = logging.getLogger("dai_spark")

_DETAILS = """\
HTTP and, with --grpc-port, gRPC answer for one pipeline, which is loaded once.  Calls that wait at
the same time are scored as one batch.  The server is live at once, and ready (/ready, /ping) when
the pipeline has scored its own example.  SIGTERM ends it when the calls that are there have their
answers.  --protocol serves as Driverless AI's own server, Odahu's images, SageMaker, Vertex or
MLflow do, where PIPELINE may be left out.  The server listens on this host alone unless --host or
--protocol says otherwise."""
_EXAMPLES = """\
  dai-spark serve scorer.zip --env dai-1.10.tar.zst
  curl -H 'Content-Type: text/csv' --data-binary @rows.csv localhost:8080/predict
  dai-spark serve models:/customers@champion --host 0.0.0.0 --grpc-port 50052 --token-file token"""

_PROTOCOLS = ("all", "container", "dai", "odahu", "sagemaker", "vertex", "mlflow")


def add_serve(commands: "Commands") -> None:
    """Add the command.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    parser = add_command(
        commands,
        "serve",
        _serve,
        "answer HTTP and gRPC for one pipeline",
        details=_DETAILS,
        examples=_EXAMPLES,
    )
    add_pipeline_arguments(parser, may_lack=True)
    parser.add_argument("--name", help="what clients call the model (default: its own name)")
    listening = parser.add_argument_group("listening")
    listening.add_argument(
        "--protocol",
        choices=_PROTOCOLS,
        help="serve as this platform expects: its paths, port, address, variables and folder "
        "(default: all paths; without PIPELINE the platform whose pipeline is there)",
    )
    listening.add_argument(
        "--host", help="address to listen on (default: this host alone, or the platform's)"
    )
    listening.add_argument(
        "--port", type=int, metavar="N", help="of HTTP (default: 8080, or the platform's)"
    )
    listening.add_argument("--grpc-port", type=int, metavar="N", help="of gRPC (default: no gRPC)")
    listening.add_argument(
        "--grpc-package",
        metavar="NAME",
        help="of the typed service (default: one with a hash of the pipeline's columns)",
    )
    listening.add_argument(
        "--token-file",
        type=Path,
        metavar="PATH",
        help="file with the token that clients must send (default: DAI_SPARK_TOKEN, else none)",
    )
    for name, what in (
        ("cert", "certificate"),
        ("key", "the certificate's key"),
        ("client-ca", "only clients with a certificate of this CA are served"),
    ):
        listening.add_argument(f"--tls-{name}", type=Path, metavar="PEM", help=what)
    listening.add_argument(
        "--strict-dai",
        action="store_true",
        help="/rpc as Driverless AI's server has it, with what is broken in it",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-body-bytes",
        type=int,
        default=64 << 20,
        metavar="N",
        help="of a request (default: 64 MiB)",
    )
    limits.add_argument(
        "--max-waiting",
        type=int,
        default=1000,
        metavar="N",
        help="calls that may wait for a scorer; further ones get 429 (default: 1000)",
    )
    limits.add_argument(
        "--max-scorers",
        type=int,
        metavar="N",
        help="batches at once (default: one a CPU, and no more than the cgroup's memory holds)",
    )
    limits.add_argument(
        "--max-batch-rows",
        type=int,
        default=10_000,
        metavar="N",
        help="calls are merged up to so many rows (default: 10000)",
    )
    limits.add_argument(
        "--timeout-s",
        type=float,
        metavar="S",
        help="how long a call may take whose client says nothing else; behind it 504 "
        "(default: as long as it takes)",
    )
    limits.add_argument("--no-merge", action="store_true", help="score each call alone")
    limits.add_argument(
        "--drain-s",
        type=float,
        default=25.0,
        metavar="S",
        help="how long calls may go on behind SIGTERM (default: 25)",
    )
    operation = parser.add_argument_group("operation")
    operation.add_argument(
        "--reload-s",
        type=float,
        metavar="S",
        help="look so often whether PIPELINE is another file or version, which then takes over "
        "(default: when SIGHUP comes)",
    )
    operation.add_argument(
        "--shadow",
        metavar="PIPELINE",
        help="score with this one, too, and tell in metrics and log how it differs",
    )
    operation.add_argument(
        "--split",
        nargs=2,
        metavar=("COLUMN:SHARE", "PIPELINE"),
        help="answer such a share of the column's values (tailnum:10%%) by this one",
    )
    operation.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="of what is written to standard error (default: text)",
    )
    operation.add_argument("--no-access-log", action="store_true", help="no line for each request")
    operation.add_argument(
        "--open-metrics", action="store_true", help="/metrics wants no token (default: as all else)"
    )
    _add_notes(parser)
    parser.set_defaults(exit_status=wrong_input)


def _add_notes(parser: argparse.ArgumentParser) -> None:
    """Add what is noted of calls: the inference log, and drift."""
    log = parser.add_argument_group("inference log")
    log.add_argument(
        "--log", type=Path, metavar="FOLDER", help="write rows and scores there, as Parquet"
    )
    log.add_argument(
        "--log-sample",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="log so large a share of the calls (default: 1)",
    )
    log.add_argument(
        "--log-mask",
        action="append",
        default=[],
        metavar="a,b",
        help="log hashes of these columns; such rows cannot be verified",
    )
    log.add_argument(
        "--log-leave-out",
        action="append",
        default=[],
        metavar="a,b",
        help="do not log these columns; such rows cannot be verified",
    )
    log.add_argument(
        "--log-mask-key",
        type=Path,
        metavar="PATH",
        help="file with the key of the hashes (default: one that is forgotten)",
    )
    drift = parser.add_argument_group("drift")
    drift.add_argument(
        "--drift-baseline",
        type=Path,
        metavar="REPORT",
        help="report of a table job (JSON) that metrics hold rows and scores against",
    )
    drift.add_argument("--no-drift", action="store_true", help="do not look at how rows lie")


def prepared_of(arguments: argparse.Namespace) -> "Prepared":
    """Check a command line, and set up the log.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of ``dai-spark serve``.

    Raises
    ------
    DaiSparkError
        Something of it cannot be meant.
    """
    import os

    from dai_spark.registry.pipeline_place import state_of
    from dai_spark.serving.beside.open_beside import open_beside
    from dai_spark.serving.open_served import ModelSettings
    from dai_spark.serving.run_server import Prepared, Served, ServerSettings
    from dai_spark.serving.served_model import MergeSettings, n_scorers_here

    merging = MergeSettings(
        n_scorers_here() if arguments.max_scorers is None else arguments.max_scorers,
        arguments.max_waiting,
        arguments.max_batch_rows,
        not arguments.no_merge,
        arguments.timeout_s,
    )
    contract, place = _contract(arguments.protocol, arguments.pipeline)
    settings = ServerSettings(
        host=contract.host if arguments.host is None else arguments.host,
        port=contract.port_in(os.environ) if arguments.port is None else arguments.port,
        predict_paths=contract.predict_paths(os.environ),
        health_paths=contract.health_paths(os.environ),
        served=contract.served,
        grpc_port=arguments.grpc_port,
        grpc_package=arguments.grpc_package,
        token=_token(arguments.token_file),
        most_bytes=arguments.max_body_bytes,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        tls_client_ca=arguments.tls_client_ca,
        drain_s=arguments.drain_s,
        strict_dai=arguments.strict_dai,
        reload_s=arguments.reload_s,
        open_metrics=arguments.open_metrics,
    )
    beside = _beside(arguments)
    notes = _notes(arguments)
    models = ModelSettings(
        arguments.env,
        merging,
        license_file=arguments.license_file,
        name=arguments.name,
        notes=notes,
        fits_memory=arguments.max_scorers is None,
        sha256=asked_sha256(arguments),
    )
    _set_up_log(arguments)
    served = Served(
        lambda: open_beside(place, models, beside),
        lambda: (state_of(place), beside.state()),
        (notes, *beside.collectors()),
    )
    return Prepared(served, settings, notes.close)


def _serve(arguments: argparse.Namespace) -> None:
    from dai_spark.serving.run_server import run_server

    prepared = prepared_of(arguments)
    try:
        run_server(
            prepared.served,
            prepared.settings,
            _LOG.info if arguments.log_format == "json" else tell,
        )
    finally:
        prepared.close()


def _set_up_log(arguments: argparse.Namespace) -> None:
    from dai_spark.errors import OptionError

    try:
        from dai_spark.serving.watch.server_log import set_up_log
    except ImportError as error:
        raise OptionError(
            f"The server wants packages that are not here ({error.name}): pip install "
            "'dai_spark[serving]'."
        ) from error
    set_up_log(arguments.log_format, has_requests=not arguments.no_access_log)


def _beside(arguments: argparse.Namespace) -> "Beside":
    from dai_spark.serving.beside.open_beside import Beside
    from dai_spark.serving.beside.split import SplitRule

    split = None
    if arguments.split is not None:
        rule, second = arguments.split
        split = (SplitRule.of(rule), second)
    return Beside(arguments.shadow, split)


def _contract(protocol: Optional[str], pipeline: Optional[str]) -> "Tuple[Contract, str]":
    """What is expected of the server, and where its pipeline is."""
    import os

    from dai_spark.errors import OptionError
    from dai_spark.serving.contract import CONTRACTS, contract_at_hand

    if protocol is None and pipeline is None:
        contract = contract_at_hand(os.environ)
        if contract is None:
            raise OptionError(
                "Give the PIPELINE to serve; no platform has put one there (AIP_STORAGE_URI, "
                "/opt/ml/model, /scoring/pipeline.zip)."
            )
        tell(f"serving as --protocol {contract.name} says, by the pipeline that is there")
    else:
        contract = CONTRACTS[protocol or "all"]
    place = pipeline or contract.pipeline_in(os.environ)
    if place is None:
        told = contract.place_variable or contract.place
        raise OptionError(
            f"Give the PIPELINE to serve; --protocol {contract.name} finds "
            + (f"none by {told}." if told else "none by itself.")
        )
    return contract, place


def _notes(arguments: argparse.Namespace) -> "CallNotes":
    from dai_spark.drift.baseline import read_baseline
    from dai_spark.errors import OptionError
    from dai_spark.inference_log.inference_log import InferenceLog
    from dai_spark.inference_log.log_settings import LogSettings
    from dai_spark.serving.call_notes import CallNotes

    log = None
    if arguments.log is not None:
        key = arguments.log_mask_key
        try:
            log = InferenceLog(
                LogSettings(
                    arguments.log,
                    arguments.log_sample,
                    _names(arguments.log_mask),
                    _names(arguments.log_leave_out),
                    None if key is None else key.read_bytes().strip(),
                )
            )
        except OSError as error:
            raise OptionError(
                f"--log {arguments.log}: {error.filename or arguments.log} cannot be used "
                f"({error.strerror or error})."
            ) from error
    elif arguments.log_mask or arguments.log_leave_out or arguments.log_mask_key:
        raise OptionError("Columns are masked in the inference log; give --log FOLDER too.")
    baseline = None
    if arguments.drift_baseline is not None:
        baseline = read_baseline(arguments.drift_baseline)
    return CallNotes(log, baseline, watches_drift=not arguments.no_drift)


def _names(given: List[str]) -> Tuple[str, ...]:
    return tuple(name for text in given for name in text.split(",") if name)


def _token(file: Optional[Path]) -> "Optional[BearerToken]":
    import os

    from dai_spark.serving.secret_files.bearer_token import BearerToken

    if file is not None:
        return BearerToken.of_file(file)
    told = os.environ.get("DAI_SPARK_TOKEN")
    return BearerToken(told) if told else None
