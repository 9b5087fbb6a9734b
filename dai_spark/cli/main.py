"""The program ``dai-spark``: its parser, its errors on one line, its exit statuses."""

import argparse
import sys
from typing import Any, Callable, List, Optional, Tuple

from dai_spark._version import __version__
from dai_spark.errors import DaiSparkError

__all__ = ["main"]


def main(argv: Optional[List[str]] = None) -> int:
    """Run a command line.

    Runs in a shell's process; a command may start Spark or child processes.

    Parameters
    ----------
    argv : list of str, optional
        Words of the command line, the program's name left out; by default those of this process.

    Returns
    -------
    int
        Exit status: 0 done, 1 refused or failed, 2 wrong usage.  The table job has further ones,
        which `dai_spark.table_job.report.outcome` lists.
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


class _Parser(argparse.ArgumentParser):
    """A parser that tells itself of words that nobody takes, with its own usage.

    argparse leaves them to the program's parser, whose usage names commands alone; the parsers of
    commands are of this class, too.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Tuple[Any, List[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def _parser() -> argparse.ArgumentParser:
    from dai_spark.cli.env_commands import add_env_commands
    from dai_spark.cli.grpc_commands import add_grpc_commands
    from dai_spark.cli.image.image_commands import add_image_commands
    from dai_spark.cli.image.model_commands import add_model_commands
    from dai_spark.cli.info_command import add_info
    from dai_spark.cli.log_commands import add_log_commands
    from dai_spark.cli.mlflow_commands import add_mlflow_commands
    from dai_spark.cli.pipeline_commands import add_pipeline_commands
    from dai_spark.cli.predict_command import add_predict
    from dai_spark.cli.score_table_command import add_score_table
    from dai_spark.cli.serve_command import add_serve

    parser: argparse.ArgumentParser = _Parser(
        prog="dai-spark",
        description="Score big Spark tables with H2O Driverless AI Python scoring pipelines.",
    )
    parser.add_argument("--version", action="version", version=f"dai-spark {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_score_table(commands)
    add_predict(commands)
    add_info(commands)
    add_serve(commands)
    add_grpc_commands(commands)
    add_log_commands(commands)
    add_pipeline_commands(commands)
    add_env_commands(commands)
    add_mlflow_commands(commands)
    add_image_commands(commands)
    add_model_commands(commands)
    return parser
