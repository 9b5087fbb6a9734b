"""The command ``dai-spark score-table``."""

import argparse
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command
from dai_spark.cli.log_commands import prove_log
from dai_spark.errors import DaiSparkError, OptionError, VerificationError
from dai_spark.table_job.report.outcome import exit_status, failure_json
from dai_spark.table_job.settings.arguments import add_arguments

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_score_table"]

_VERIFY_LOG = "--verify-log"
# What a proof of a log takes beside the folder.
_OF_PROOF = frozenset(
    ("command", "exit_status", "verbose", "pipeline", "env", "license_file", "json", "verify_log")
)


def add_score_table(commands: "Commands") -> None:
    """Add the command; its exit status tells failures apart.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    parser = add_command(commands, "score-table", _score_table, "score a table into a table")
    add_arguments(parser)
    parser.add_argument_group("inference log").add_argument(
        _VERIFY_LOG,
        metavar="FOLDER",
        help="score nothing into a table: prove what a server of --pipeline has logged there, as "
        "`dai-spark log verify` does",
    )
    parser.set_defaults(exit_status=exit_status)


def _score_table(arguments: argparse.Namespace) -> None:
    if hasattr(arguments, "verify_log"):
        _verify_log(arguments)
        return
    from dai_spark.table_job.score_table import score_table
    from dai_spark.table_job.settings.arguments import run

    try:
        report = run(arguments, score_table)
    except DaiSparkError as error:
        if getattr(arguments, "json", False):
            print(failure_json(error))
        raise
    print(report.to_json() if arguments.json else report.text())
    if report.status == VerificationError.status:
        raise VerificationError(report.message)


def _verify_log(arguments: argparse.Namespace) -> None:
    others = sorted(name for name in vars(arguments) if name not in _OF_PROOF)
    if others:
        flags = ", ".join("--" + name.replace("_", "-") for name in others)
        raise OptionError(
            f"{_VERIFY_LOG} scores nothing into a table, so {flags} has no meaning beside it; "
            "leave it out."
        )
    if not hasattr(arguments, "pipeline"):
        raise OptionError(f"{_VERIFY_LOG} wants --pipeline: the one that was served.")
    prove_log(
        arguments.pipeline,
        arguments.verify_log,
        env=getattr(arguments, "env", None),
        license_file=getattr(arguments, "license_file", None),
        is_json=getattr(arguments, "json", False),
    )
