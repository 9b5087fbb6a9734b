"""The pipeline that an image is of: brought to this host, with the name and the version it has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Sequence, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import PipelineNotFoundError
from dai_spark.host.uri import is_uri, local_path, without_password
from dai_spark.registry.model_uri import is_model_uri
from dai_spark.registry.open_model import open_model
from dai_spark.registry.pipeline_place import pipeline_at

__all__ = ["Artifact", "artifact_of"]

_DIGEST_CHARS = 12


@dataclass(frozen=True)
class Artifact:
    """A pipeline, and what it is called.

    Attributes
    ----------
    pipeline : ScoringPipeline
    name : str
        In the registry, MLflow's or one of images; of an export the experiment's id.
    version : str
        In MLflow's registry; else the beginning of the digest, as the server tells it.
    uri : str
        Of the model, with the version that an alias led to; empty for an export.
    env : str, Path, PackedEnvironment or None
        The environment that the model brings.
    """

    pipeline: ScoringPipeline
    name: str
    version: str
    uri: str = ""
    env: Union[str, Path, PackedEnvironment, None] = None


def artifact_of(
    artifact_name: str,
    folders: Sequence[Path],
    on_message: Callable[[str], None],
    *,
    with_env: bool,
) -> Artifact:
    """Find a pipeline, and bring it to this host.

    Parameters
    ----------
    artifact_name : str
        ``models:/name@alias``, another URI, or a path; see `pipeline_at`.
    folders : sequence of Path
        A relative path is looked for in them, in this order.
    on_message : callable
        Is told what is fetched.
    with_env : bool
        Whether the environment of a model is wanted.

    Raises
    ------
    DaiSparkError
        There is none, or it is no pipeline.
    """
    if is_model_uri(artifact_name):
        model = open_model(artifact_name, on_message, with_env=with_env, reads_uris=False)
        origin, pipeline = model.origin, model.pipeline
        return Artifact(
            pipeline,
            origin.name or pipeline.experiment_id,
            origin.version or _version_of(pipeline),
            f"models:/{origin.name}/{origin.version}" if origin.name else origin.uri,
            model.env,
        )
    place: Union[str, Path] = artifact_name
    if not is_uri(artifact_name):
        place = _found(artifact_name, folders)
    placed = pipeline_at(place, on_message)
    found = placed.pipeline
    pipeline = found if isinstance(found, ScoringPipeline) else ScoringPipeline(found)
    version = _version_of(pipeline)
    if placed.origin is None:
        return Artifact(pipeline, pipeline.experiment_id, version)
    uri = without_password(placed.origin.uri)
    return Artifact(pipeline, placed.origin.name or pipeline.experiment_id, version, uri)


def _version_of(pipeline: ScoringPipeline) -> str:
    return pipeline.digest[:_DIGEST_CHARS]


def _found(artifact_name: str, folders: Sequence[Path]) -> Path:
    path = local_path(artifact_name)
    if path.is_absolute():
        return path
    places = [folder / path for folder in dict.fromkeys(folders)]
    found: Optional[Path] = next((place for place in places if place.exists()), None)
    if found is None:
        told = " or ".join(str(place.absolute()) for place in places)
        raise PipelineNotFoundError(
            f"artifactName {artifact_name} leads to no file: there is no {told}. Give the folder "
            "of the zip by --artifacts, or an absolute path."
        )
    return found
