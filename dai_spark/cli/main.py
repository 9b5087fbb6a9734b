"""dai-spark: every face from a shell.  Parses, calls one function, prints, gives an exit code."""

import argparse
import sys
from typing import Callable, List, Optional

from dai_spark._version import __version__
from dai_spark.errors import DaiSparkError

__all__ = ["main"]


def main(argv: Optional[List[str]] = None) -> int:
    """Run a command line and return its exit status: 0 done, 1 refused or failed, 2 usage.

    The table job tells its ends further apart; `dai_spark.table_job.status` has its table.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], None] = arguments.command
    exit_status: Callable[[DaiSparkError], int] = arguments.exit_status
    try:
        command(arguments)
    except DaiSparkError as error:
        print(f"dai-spark: {error.message}", file=sys.stderr)
        if error.details and arguments.verbose:
            print(error.details.rstrip(), file=sys.stderr)
        elif error.details:
            print("dai-spark: --verbose shows what this rests on.", file=sys.stderr)
        return exit_status(error)
    except KeyboardInterrupt:
        print("dai-spark: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dai-spark",
        description="Score big Spark tables with H2O Driverless AI Python scoring pipelines.",
    )
    parser.add_argument("--version", action="version", version=f"dai-spark {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    table = _command(commands, "score-table", _score_table, "score a table into a table")
    from dai_spark.table_job.arguments import add_arguments
    from dai_spark.table_job.status import exit_status

    add_arguments(table)
    table.set_defaults(exit_status=exit_status)

    pipeline = commands.add_parser("pipeline", help="look into an exported pipeline")
    of_pipeline = pipeline.add_subparsers(metavar="COMMAND", required=True)
    show = _command(
        of_pipeline, "show", _pipeline_show, "say which columns, target, version and size it has"
    )
    show.add_argument(
        "pipeline", metavar="ZIP", help="scorer.zip, or the folder it was unpacked to"
    )

    from dai_spark.cli.env_commands import add_commands

    add_commands(commands, _command)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], None],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.add_argument("--verbose", action="store_true", help="show what an error rests on")
    parser.set_defaults(command=function, exit_status=_failed)
    return parser


def _failed(error: DaiSparkError) -> int:
    return 1


def _score_table(arguments: argparse.Namespace) -> None:
    from dai_spark.table_job.arguments import run
    from dai_spark.table_job.run import score_table

    report = run(arguments, score_table)
    print(report.to_json() if arguments.json else report.text())


def _pipeline_show(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.pipeline import ScoringPipeline

    found = ScoringPipeline(arguments.pipeline)
    print(found)
    for column in found.columns:
        samples = ", ".join(str(s) for s in column.samples[:3] if s is not None)
        print(f"    {column.name:<30} {column.dtype:<8} {samples}")
