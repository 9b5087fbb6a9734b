"""What a pipeline answers: asked of it where it can run, read in its export where it cannot."""

import logging
import sys
from typing import List, NamedTuple, Optional, Tuple

import pyarrow as pa

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import EnvironmentMismatchError, OptionError
from dai_spark.mlflow.one_column import output_field, output_options
from dai_spark.plan.options import ScoringOptions

__all__ = ["Answer", "asked_answer", "told_answer"]

_LOG = logging.getLogger("dai_spark")


class Answer(NamedTuple):
    """The columns of a prediction, and how they are known.

    Attributes
    ----------
    columns : list of pyarrow.Field
        Empty where they are not known.
    source : {"pipeline", "export"}
        The pipeline itself has answered, or its export was read.
    """

    columns: "List[pa.Field]"
    source: str


def asked_answer(
    pipeline: ScoringPipeline,
    environment: PackedEnvironment,
    options: ScoringOptions,
    output: Optional[str],
    license: Optional[str],
    license_file: Optional[str],
) -> Optional[Answer]:
    """Let the pipeline describe itself; None where this machine cannot run it.

    Starts a sidecar, which stays for what this process scores next.

    Raises
    ------
    LicenseError, SidecarError, ScoringError, OptionError
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        environment.check_machine()
    except EnvironmentMismatchError as error:
        _LOG.info("%s", error.message)
        return None
    from dai_spark.local.kept_scorers import kept_scorer
    from dai_spark.local.local_plan import no_uri
    from dai_spark.plan.request import ScoringRequest
    from dai_spark.schema.prediction import PredictionShape

    asked = ScoringOptions.resolve(options, output_options(output))
    request = ScoringRequest.of(
        pipeline, environment, license, license_file, asked, {}, no_uri, no_uri
    )
    scorer = kept_scorer(request)
    described = scorer.describe_for(asked)
    schema = PredictionShape(described, asked).schema
    if output is not None:
        return Answer([output_field(output, schema, described.labels)], "pipeline")
    return Answer(list(schema), "pipeline")


def told_answer(
    pipeline: ScoringPipeline, options: ScoringOptions, output: Optional[str]
) -> Answer:
    """The columns as the export's experiment summary tells them, which is read and never run."""
    target, labels = pipeline.target, pipeline.labels
    if target is None or options.margin or options.contributions:
        # How many of these there are, and of which type, the pipeline alone knows.
        return Answer([], "export")
    names: Tuple[str, ...] = (target,)
    if labels is not None:
        names = tuple(f"{target}.{label}" for label in labels)
    fields = [pa.field(name, pa.float32()) for name in names]
    if options.labels or output_options(output):
        fields.append(pa.field("label", pa.string()))
    if output is None:
        return Answer(fields, "export")
    try:
        return Answer([output_field(output, pa.schema(fields), labels)], "export")
    except OptionError:
        return Answer([], "export")
