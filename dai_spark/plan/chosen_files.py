"""ChosenFiles: what a caller's `pipeline=` and `env=` come down to, wherever they were found."""

import os
from dataclasses import dataclass
from typing import Callable, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.plan.default_environment import chosen_environment
from dai_spark.registry.checksum import opened_as_named
from dai_spark.registry.logged_pipeline import LoggedPipeline
from dai_spark.registry.model_uri import is_model_uri
from dai_spark.registry.open_model import open_model
from dai_spark.registry.origin import ModelOrigin
from dai_spark.registry.pipeline_place import pipeline_at

__all__ = ["ChosenFiles"]

PathLike = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class ChosenFiles:
    """A pipeline and an environment, neither of them a model of MLflow's any more.

    Attributes
    ----------
    pipeline : str, Path or ScoringPipeline
    env : str, Path or PackedEnvironment
    origin : ModelOrigin or None
        The model, or the artefact of an OCI registry, that the pipeline was taken from.
    logged : LoggedPipeline or None
        What that model says of the environment; None where the caller has named another.
    """

    pipeline: Union[PathLike, ScoringPipeline]
    env: Union[PathLike, PackedEnvironment]
    origin: Optional[ModelOrigin] = None
    logged: Optional[LoggedPipeline] = None

    @classmethod
    def of(
        cls,
        pipeline: Union[PathLike, ScoringPipeline],
        env: Union[PathLike, PackedEnvironment, None],
        conf: Callable[[str], Optional[str]],
        on_message: Callable[[str], None],
        *,
        reads_uris: bool,
        sha256: Optional[str] = None,
    ) -> "ChosenFiles":
        """Find what a caller named: every face begins with this.

        Runs on the driver, or in a process that scores without Spark.  A model of MLflow's is
        looked up once, here, and its files are brought to this host.

        Parameters
        ----------
        pipeline : str, Path or ScoringPipeline
            As text also the URI of a model.
        env : str, Path, PackedEnvironment or None
            What is given wins over what a model brings, and that over this host's default.
        conf : callable
            Looks up a setting of the Spark session; None where there is none.
        on_message : callable
            Is told which model was found, and which environment.
        reads_uris : bool
            Whether the caller reads files by URI itself, as Spark does; else the pipeline is
            fetched by its store's own client, and an environment that a model names by MLflow.
        sha256 : str, optional
            Of the pipeline's zip, in hexadecimal: any other is refused before it is opened.

        Raises
        ------
        OptionError
            The URI of a model has a wrong form, MLflow is not installed, or nothing names an
            environment.
        ModelRegistryError, NotAPipelineError, PackedEnvironmentError
            See `open_model`.
        PipelineNotFoundError, ModelRegistryError, ChecksumError
            See `pipeline_at`.
        """
        if not is_model_uri(pipeline):
            placed = pipeline_at(pipeline, on_message, sha256=sha256, reads_uris=reads_uris)
            return cls(placed.pipeline, chosen_environment(env, conf, on_message), placed.origin)
        is_given = env is not None and env != ""
        model = open_model(str(pipeline), on_message, with_env=not is_given, reads_uris=reads_uris)
        found = model.pipeline
        if sha256 is not None:
            found = opened_as_named(found.path, sha256, model.origin.text)
        if model.env is not None:
            return cls(found, model.env, model.origin, model.logged)
        return cls(found, chosen_environment(env, conf, on_message), model.origin)
