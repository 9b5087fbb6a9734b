"""The commands ``dai-spark pipeline show`` and ``dai-spark pipeline push``."""

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
_PUSH_DETAILS = """\
The zip becomes an artefact of an OCI registry, where images lie; `oras push` writes the same.
Credentials are those of `podman login` and `docker login`.  The artefact's URI by digest is written
to standard output: serve, predict and info take it."""
_PUSH_EXAMPLES = "  dai-spark pipeline push scorer.zip oci://registry.example.com/models/late:3"


def add_pipeline_commands(commands: "Commands") -> None:
    """Add the group ``pipeline``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "pipeline", "look into an exported pipeline, or push it")
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
        help="scorer.zip, the folder it was unpacked to, a URI, a model (models:/NAME@ALIAS) or an "
        "OCI artefact (oci://...)",
    )
    push = add_command(
        group,
        "push",
        _push,
        "bring a pipeline into an OCI registry",
        details=_PUSH_DETAILS,
        examples=_PUSH_EXAMPLES,
    )
    push.add_argument("zip", metavar="ZIP", help="scorer.zip")
    push.add_argument("uri", metavar="URI", help="oci://REGISTRY/NAME:TAG")


def _show(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.plan.doubts import path_doubt
    from dai_spark.registry.pipeline_place import export_at_hand

    pipeline = ScoringPipeline(export_at_hand(arguments.pipeline, tell))
    print(pipeline)
    for column in pipeline.columns:
        samples = ", ".join(str(s) for s in column.samples[:3] if s is not None)
        print(f"    {column.name:<30} {column.dtype:<8} {samples}")
    paths = [column.name for column in pipeline.columns if column.holds_paths]
    if paths:
        print(f"  note        {path_doubt(paths)}")


def _push(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.errors import OptionError
    from dai_spark.registry.oci.oci_pipeline import push_pipeline

    path = Path(arguments.zip)
    if path.is_dir():
        raise OptionError(f"{path} is a folder; an artefact has the zip that it came from.")
    # Nothing but a pipeline is pushed.
    ScoringPipeline(path)
    print(push_pipeline(path, arguments.uri))
