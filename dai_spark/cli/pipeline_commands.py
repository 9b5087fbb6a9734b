"""The command ``dai-spark pipeline show``."""

import argparse
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command, add_group, tell

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_pipeline_commands"]

_DETAILS = """\
The export is read and never run: this needs no licence, no packed environment and no Spark.  Each
column is shown with its type and the first values of the example that the export brings."""
_EXAMPLES = "  dai-spark pipeline show scorer.zip"


def add_pipeline_commands(commands: "Commands") -> None:
    """Add the group ``pipeline``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "pipeline", "look into an exported pipeline")
    show = add_command(
        group,
        "show",
        _show,
        "say which columns, target, version and size it has",
        details=_DETAILS,
        examples=_EXAMPLES,
    )
    show.add_argument(
        "pipeline",
        metavar="ZIP",
        help="scorer.zip, the folder it was unpacked to, or a model (models:/NAME@ALIAS)",
    )


def _show(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.plan.doubts import path_doubt
    from dai_spark.registry.open_model import export_at_hand

    pipeline = ScoringPipeline(export_at_hand(arguments.pipeline, tell))
    print(pipeline)
    for column in pipeline.columns:
        samples = ", ".join(str(s) for s in column.samples[:3] if s is not None)
        print(f"    {column.name:<30} {column.dtype:<8} {samples}")
    paths = [column.name for column in pipeline.columns if column.holds_paths]
    if paths:
        print(f"  note        {path_doubt(paths)}")
