"""The commands ``dai-spark pipeline show``, ``describe`` and ``push``."""

import argparse
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command, add_group, tell
from dai_spark.cli.predict_command import add_pipeline_arguments, asked_options, asked_sha256

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_pipeline_commands"]

_DETAILS = """\
The export is read and never run: this needs no licence, no packed environment and no Spark.  Each
column is shown with its type and the first values of the example that the export brings."""
_EXAMPLES = "  dai-spark pipeline show scorer.zip"
_DESCRIBE_DETAILS = """\
The pipeline is loaded on this machine, without Spark, and what it says is remembered: a driver of
this user on this machine then runs no task to ask.  Spark's declarative pipelines need that, since
no job may run in the function of a dataset.  Give the options that will be scored with."""
_DESCRIBE_EXAMPLES = """\
  dai-spark pipeline describe scorer.zip --env dai-1.10.tar.zst
  dai-spark pipeline describe models:/customers@champion --labels"""
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
    describe = add_command(
        group,
        "describe",
        _describe,
        "ask a pipeline on this machine, so that no task of Spark's has to",
        details=_DESCRIBE_DETAILS,
        examples=_DESCRIBE_EXAMPLES,
    )
    from dai_spark.table_job.settings.scoring_flags import add_prediction

    add_pipeline_arguments(describe)
    add_prediction(describe)
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


def _describe(arguments: argparse.Namespace) -> None:
    from dai_spark.local.open_scorer import open_scorer
    from dai_spark.plan.described_before import remember
    from dai_spark.plan.options import ScoringOptions

    options = ScoringOptions.resolve(None, asked_options(arguments))
    with open_scorer(
        arguments.pipeline,
        arguments.env,
        license_file=arguments.license_file,
        sha256=asked_sha256(arguments),
        options=options,
    ) as scorer:
        described = scorer.describe()
        plan = scorer.plan_for(options)
    remember(plan, described)
    print(f"{plan.pipeline.label} uses {len(described.columns)} columns and answers:")
    for name, kind in described.output:
        print(f"    {name:<30} {kind}")


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
