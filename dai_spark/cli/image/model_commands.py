"""The commands ``dai-spark model info`` and ``model predict``: what a docker-cli image runs."""

import argparse
import json
import os
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command, add_group, tell
from dai_spark.cli.predict_command import add_file_arguments, predict, wrong_input
from dai_spark.errors import LicenseError, OptionError

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_model_commands"]

_VARIABLE = "DAI_SPARK_PIPELINE"
_WHERE = f"""\
The pipeline is the one that {_VARIABLE} names, and its environment the one of DAI_SPARK_ENV: both
are set in images of `dai-spark image build --integration-name docker-cli`, which run these commands
by `podman run IMAGE info`.  The licence comes from DRIVERLESS_AI_LICENSE_KEY or
DRIVERLESS_AI_LICENSE_FILE."""
_INFO = """\
Columns and rows that go in, with rows of the export's own example, and the columns that come out,
as Odahu's images print them.  What comes out only the loaded pipeline knows: without a licence that
part is left open."""
_PREDICT = """\
FILE with {"columns": [...], "data": [[...]]} into a folder OUT is written to OUT/result.json, as
Odahu's images do; other files and formats are those of `dai-spark predict`."""


def add_model_commands(commands: "Commands") -> None:
    """Add the group ``model``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "model", "ask and use the one pipeline of an image")
    predicting = add_command(
        group,
        "predict",
        _predict,
        "make predictions",
        details=f"{_PREDICT}\n{_WHERE}",
        examples="  podman run --volume volume:/volume IMAGE predict /volume/predicts.json /volume",
    )
    add_file_arguments(predicting)
    info = add_command(
        group,
        "info",
        _info,
        "show the schemas of what goes in and what comes out",
        details=f"{_INFO}\n{_WHERE}",
        examples="  podman run IMAGE info",
    )
    for parser in (predicting, info):
        parser.add_argument(
            "--license-file", metavar="PATH", help="the licence (default: this host's)"
        )
        parser.set_defaults(exit_status=wrong_input, env=None, sha256=None)


def _pipeline() -> str:
    found = os.environ.get(_VARIABLE)
    if not found:
        raise OptionError(
            f"{_VARIABLE} names no pipeline; these commands are for images of one pipeline. "
            "Elsewhere: dai-spark predict PIPELINE FILE OUT, dai-spark info PIPELINE."
        )
    return found


def _predict(arguments: argparse.Namespace) -> None:
    arguments.pipeline = _pipeline()
    predict(arguments)


def _info(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.local.open_scorer import open_scorer
    from dai_spark.plan.options import ScoringOptions
    from dai_spark.row_formats.split_schema import prediction_split_schema, split_schema
    from dai_spark.schema.prediction import PredictionShape

    path = _pipeline()
    columns = {column.name: column for column in ScoringPipeline(path).columns}
    output = "known to the loaded pipeline alone, which wants its licence"
    try:
        with open_scorer(path, license_file=arguments.license_file) as scorer:
            plan = scorer.plan_for(ScoringOptions())
            columns = dict(plan.wanted())
            names = PredictionShape.of(plan).schema.names
            output = json.dumps(prediction_split_schema(names), indent=4)
    except LicenseError as error:
        tell(error.message)
    print(f"Input schema:\n{json.dumps(split_schema(columns), indent=4)}")
    print(f"Output schema:\n{output}")
