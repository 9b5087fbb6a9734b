"""The command ``dai-spark info``."""

import argparse
import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from dai_spark.cli.command import add_command, tell
from dai_spark.cli.predict_command import add_pipeline_arguments, asked_sha256, wrong_input

if TYPE_CHECKING:
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.cli.command import Commands
    from dai_spark.local.scorer_handle import Scorer

__all__ = ["add_info"]

_DETAILS = """\
Of the export alone: the columns that go in, the target and its labels.  With --env the pipeline is
loaded and asked: the columns that it uses, what it answers, and which options it knows."""
_EXAMPLES = """\
  dai-spark info scorer.zip
  dai-spark info scorer.zip --env dai-1.10.tar.zst --json"""


def add_info(commands: "Commands") -> None:
    """Add the command.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    parser = add_command(
        commands,
        "info",
        _info,
        "say what rows a pipeline takes and what it answers",
        details=_DETAILS,
        examples=_EXAMPLES,
    )
    add_pipeline_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one object of JSON, with JSON Schema")
    parser.set_defaults(exit_status=wrong_input)


def _info(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.registry.pipeline_place import export_at_hand

    sha256 = asked_sha256(arguments)
    pipeline = ScoringPipeline(export_at_hand(arguments.pipeline, tell, sha256))
    if arguments.env is None:
        found = _of_export(pipeline)
    else:
        from dai_spark.local.open_scorer import open_scorer

        with open_scorer(
            arguments.pipeline,
            arguments.env,
            license_file=arguments.license_file,
            sha256=sha256,
        ) as scorer:
            found = _of_export(pipeline)
            of_scorer = _of_scorer(scorer)
            found = {
                **found,
                **of_scorer,
                "versions": {**found["versions"], **of_scorer["versions"]},
            }
    print(json.dumps(found, indent=2) if arguments.json else _text(found))


def _of_export(pipeline: "ScoringPipeline") -> Dict[str, Any]:
    from dai_spark._version import __version__
    from dai_spark.row_formats.json_schema import rows_schema

    return {
        "pipeline": str(pipeline.path),
        "digest": pipeline.digest,
        "experiment": pipeline.experiment_id,
        "target": pipeline.target,
        "labels": None if pipeline.labels is None else list(pipeline.labels),
        "versions": {
            "dai_spark": __version__,
            "driverless_ai": pipeline.dai_version,
            "python": pipeline.python,
        },
        "input_schema": rows_schema(pipeline.columns),
        "output_schema": None,
        "options": None,
        "depends_on_batch": None,
        "notes": list(pipeline.notes),
    }


def _of_scorer(scorer: "Scorer") -> Dict[str, Any]:
    from dai_spark.plan.options import ScoringOptions
    from dai_spark.row_formats.json_schema import prediction_schema, rows_schema
    from dai_spark.schema.prediction import PredictionShape

    described = scorer.describe()
    plan = scorer.plan_for(ScoringOptions())
    return {
        "labels": None if described.labels is None else list(described.labels),
        "versions": dict(described.versions),
        "input_schema": rows_schema(plan.wanted().values()),
        "output_schema": prediction_schema(PredictionShape.of(plan).schema),
        "options": _options(described.signatures),
        "depends_on_batch": described.depends_on_batch,
    }


# The argument of `score_batch` that each option wants.
_ARGUMENTS = {
    "margin": "output_margin",
    "contributions": "pred_contribs",
    "contributions=original": "pred_contribs_original",
    "fast_approx": "fast_approx",
    "apply_data_recipes": "apply_data_recipes",
}


def _options(signatures: Any) -> List[str]:
    known = signatures.get("score_batch") or []
    return [option for option, argument in _ARGUMENTS.items() if argument in known]


def _text(found: Dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in found["versions"].items() if v)
    lines = [
        f"pipeline    {found['pipeline']}",
        f"experiment  {found['experiment']}",
        f"digest      {found['digest']}",
        f"versions    {versions}",
        f"target      {found['target'] or 'not told'}",
        f"labels      {_labels(found['labels'])}",
        "",
        "Input schema:",
        *_columns(found["input_schema"]),
        "",
        "Output schema:",
    ]
    if found["output_schema"] is None:
        return "\n".join([*lines, "  known to the loaded pipeline alone: give --env"])
    lines += _columns(found["output_schema"])
    lines += ["", f"options     {', '.join(found['options']) or 'none'}"]
    if found["depends_on_batch"]:
        lines.append("note        the score of a row depends on the rows that are scored with it")
    return "\n".join(lines)


def _labels(labels: Optional[List[str]]) -> str:
    return "none" if labels is None else ", ".join(labels)


def _columns(schema: Dict[str, Any]) -> List[str]:
    lines = []
    for name, told in schema["items"]["properties"].items():
        kind = told.get("format") or next(kind for kind in told["type"] if kind != "null")
        examples = ", ".join(str(value) for value in told.get("examples", ()))
        lines.append(f"  {name:<30} {kind:<8} {examples}".rstrip())
    return lines
