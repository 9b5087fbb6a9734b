"""The command ``dai-spark score-table``."""

import argparse
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command
from dai_spark.errors import DaiSparkError, VerificationError
from dai_spark.table_job.report.outcome import exit_status, failure_json
from dai_spark.table_job.settings.arguments import add_arguments

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_score_table"]


def add_score_table(commands: "Commands") -> None:
    """Add the command; its exit status tells failures apart.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    parser = add_command(commands, "score-table", _score_table, "score a table into a table")
    add_arguments(parser)
    parser.set_defaults(exit_status=exit_status)


def _score_table(arguments: argparse.Namespace) -> None:
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
