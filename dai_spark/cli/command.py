"""Adds one command to the command line, with the options and messages that all commands share."""

import argparse
import sys
from typing import TYPE_CHECKING, Callable

from dai_spark.errors import DaiSparkError

if TYPE_CHECKING:
    # argparse names the class of its subcommands with an underscore alone.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command", "add_group", "tell"]


def add_group(commands: "Commands", name: str, summary: str) -> "Commands":
    """Add a group of commands, such as ``env``.

    Parameters
    ----------
    commands : argparse action
        The commands that it is added to.
    name : str
        Word of the command line.
    summary : str
        Its line in the help of the program.

    Returns
    -------
    argparse action
        The commands of the group, empty.
    """
    parser = commands.add_parser(name, help=summary, description=_sentence(summary))
    return parser.add_subparsers(metavar="COMMAND", required=True)


def add_command(
    commands: "Commands",
    name: str,
    function: Callable[[argparse.Namespace], None],
    summary: str,
    *,
    details: str = "",
    examples: str = "",
) -> argparse.ArgumentParser:
    """Add one command.

    Parameters
    ----------
    commands : argparse action
        The commands that it is added to.
    name : str
        Word of the command line.
    function : callable
        Runs the command; gets the parsed arguments.
    summary : str
        Its line in the help of its group.
    details : str, optional
        What its own help says beside the summary.
    examples : str, optional
        Command lines that stand at the end of its own help.

    Returns
    -------
    argparse.ArgumentParser
        Takes the command's own options.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description="\n\n".join(filter(None, [_sentence(summary), details])),
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="show what an error rests on")
    parser.set_defaults(command=function, exit_status=_failed)
    return parser


def tell(text: str) -> None:
    """Print the progress of a command on standard error.

    Parameters
    ----------
    text : str
        One sentence.
    """
    print(f"dai-spark: {text}", file=sys.stderr, flush=True)


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _failed(error: DaiSparkError) -> int:
    return 1
