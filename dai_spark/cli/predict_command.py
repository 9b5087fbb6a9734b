"""The command ``dai-spark predict``."""

import argparse
import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Dict, Optional

from dai_spark.cli.command import add_command, tell
from dai_spark.errors import DaiSparkError

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = [
    "add_file_arguments",
    "add_pipeline_arguments",
    "add_predict",
    "asked_options",
    "asked_sha256",
    "predict",
    "wrong_input",
]

_DETAILS = """\
FILE is JSON, JSON Lines, CSV, Parquet or Arrow, a folder of such files, or - for standard input;
OUT is a file, a folder, or - for standard output.  Each value is given to the pipeline as it stands
or refused with its row and column.  OUT is there when it is whole.  Neither Spark nor Java is
needed."""
_EXAMPLES = """\
  dai-spark predict scorer.zip rows.csv scores.csv --env dai-1.10.tar.zst
  dai-spark predict scorer.zip rows.parquet scores.parquet --keep customer_id --labels
  cat rows.jsonl | dai-spark predict models:/customers@champion - - --from jsonl > scores.jsonl"""
_FORMATS = ("json", "jsonl", "csv", "arrow", "parquet")
_FORMS = ("records", "lists", "odahu", "split")
_SHA256_VARIABLE = "DAI_SPARK_PIPELINE_SHA256"
# What changes the prediction; the table job has the same flags.
_OPTIONS = (
    *("margin", "contributions", "fast_approx", "apply_data_recipes", "labels", "threshold"),
    *("probabilities", "intervals", "group_by", "order_by", "max_group_bytes", "on_cast"),
    *("batch_rows", "max_scorers", "start_timeout_s", "batch_timeout_s"),
)


def add_predict(commands: "Commands") -> None:
    """Add the command; an error is one sentence, and its exit status is 2.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    parser = add_command(
        commands,
        "predict",
        predict,
        "score a file into a file, without Spark",
        details=_DETAILS,
        examples=_EXAMPLES,
    )
    add_pipeline_arguments(parser)
    add_file_arguments(parser)


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all of ``predict`` but its pipeline.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    from dai_spark.table_job.settings.scoring_flags import add_prediction

    parser.add_argument("source", metavar="FILE", help="rows: a file, a folder, or -")
    parser.add_argument("target", metavar="OUT", help="predictions: a file, a folder, or -")
    files = parser.add_argument_group("files")
    files.add_argument(
        "--from", dest="from_format", choices=_FORMATS, help="format of FILE (default: its name's)"
    )
    files.add_argument(
        "--to", dest="to_format", choices=_FORMATS, help="format of OUT (default: its name's)"
    )
    files.add_argument(
        "--json-form",
        choices=_FORMS,
        help="what JSON is written (default: odahu for rows of columns and data, else records)",
    )
    files.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="a,b",
        help="columns of FILE that OUT has before the prediction",
    )
    add_prediction(parser)
    scoring = parser.add_argument_group("scoring")
    scoring.add_argument(
        "--on-cast",
        choices=("error", "warn", "null"),
        help="a value of Parquet or Arrow that the pipeline cannot be given unchanged fails, is "
        "rounded, or is missing (default: error)",
    )
    scoring.add_argument(
        "--batch-rows", type=int, metavar="N", help="most rows the pipeline is given at once"
    )
    scoring.add_argument(
        "--max-scorers", type=int, metavar="N", help="scorers at once (default: one a CPU)"
    )
    for name in ("--start-timeout-s", "--batch-timeout-s"):
        scoring.add_argument(name, type=float, metavar="S", help="limit of loading, of a batch")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.set_defaults(exit_status=wrong_input)


def add_pipeline_arguments(parser: argparse.ArgumentParser, *, may_lack: bool = False) -> None:
    """Add the pipeline, its environment and its licence.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    may_lack : bool, default False
        Whether the pipeline may be left out.
    """
    parser.add_argument(
        "pipeline",
        metavar="PIPELINE",
        nargs="?" if may_lack else None,
        help="scorer.zip, the folder it was unpacked to or that holds it, a URI of either (s3://, "
        "gs://, hdfs://), a model (models:/NAME@ALIAS) or an OCI artefact "
        "(oci://REGISTRY/NAME@sha256:DIGEST)"
        + ("; by default what the platform has put there (see --protocol)" if may_lack else ""),
    )
    parser.add_argument(
        "--env",
        metavar="ARCHIVE",
        help="the packed environment (default: DAI_SPARK_ENV, or the model's)",
    )
    parser.add_argument("--license-file", metavar="PATH", help="the licence (default: this host's)")
    parser.add_argument(
        "--sha256",
        metavar="DIGEST",
        help="of the pipeline's zip: any other is refused (default: DAI_SPARK_PIPELINE_SHA256, "
        "else none)",
    )


def asked_sha256(arguments: argparse.Namespace) -> Optional[str]:
    """The SHA-256 that the pipeline's zip must have; None where none is named.

    Raises
    ------
    OptionError
        What was given is none.
    """
    from dai_spark.registry.checksum import checked_sha256

    if arguments.sha256 is not None:
        return checked_sha256(arguments.sha256, "--sha256")
    told = os.environ.get(_SHA256_VARIABLE, "")
    return checked_sha256(told, _SHA256_VARIABLE) if told.strip() else None


def asked_options(arguments: argparse.Namespace) -> Dict[str, Any]:
    """The options of scoring that a command line names.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    given = {name: getattr(arguments, name, None) for name in _OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def wrong_input(error: DaiSparkError) -> int:
    """The exit status of commands that read what their user gave.

    Parameters
    ----------
    error : DaiSparkError
    """
    return 2


def predict(arguments: argparse.Namespace) -> None:
    """Score a file into a file.

    Parameters
    ----------
    arguments : argparse.Namespace
        ``pipeline``, ``env``, ``license_file`` and what `add_file_arguments` adds.

    Raises
    ------
    DaiSparkError
    """
    from dai_spark.batch_files.score_files import FileJob, score_files
    from dai_spark.local.open_scorer import open_scorer
    from dai_spark.plan.options import ScoringOptions

    words = asked_options(arguments)
    # Before the pipeline is loaded.
    options = ScoringOptions.resolve(None, words)
    keep = tuple(name for text in arguments.keep for name in text.split(",") if name)
    job = FileJob(
        arguments.source,
        arguments.target,
        arguments.from_format,
        arguments.to_format,
        arguments.json_form,
        keep,
    )
    progress = _Progress(is_quiet=arguments.quiet)
    with ExitStack() as stack:
        scorer = stack.enter_context(
            open_scorer(
                arguments.pipeline,
                arguments.env,
                license_file=arguments.license_file,
                options=options,
                sha256=asked_sha256(arguments),
            )
        )
        n_scorers = options.max_scorers or len(os.sched_getaffinity(0))
        try:
            n_rows = score_files(scorer, options, job, n_scorers, progress.see)
        except BrokenPipeError:
            # Who read standard output has seen enough; Python would say so once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
    progress.end(n_rows)


class _Progress:
    """A line on standard error while rows are scored: over and over on a terminal, else seldom."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._every_s = 0.5 if self._is_terminal else 30.0
        self._is_quiet = is_quiet
        self._begun_s: Optional[float] = None
        self._shown_s = 0.0
        self._n_rows = 0

    def see(self, n_rows: int) -> None:
        now_s = time.monotonic()
        if self._begun_s is None:
            self._begun_s = self._shown_s = now_s
        self._n_rows += n_rows
        if self._is_quiet or now_s - self._shown_s < self._every_s:
            return
        self._shown_s = now_s
        text = f"{self._n_rows:,} rows, {self._n_rows / (now_s - self._begun_s):,.0f} rows/s"
        if self._is_terminal:
            print(f"\rdai-spark: {text}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            tell(text)

    def end(self, n_rows: int) -> None:
        if self._is_quiet:
            return
        if self._is_terminal and self._shown_s != self._begun_s:
            print("\r\x1b[K", end="", file=sys.stderr)
        tell(f"{n_rows:,} rows scored")
