"""open_model: a model's URI to a pipeline of this host, and the environment that it names."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Tuple, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.host.uri import is_uri, without_password
from dai_spark.registry.find_model import FoundModel, find_model
from dai_spark.registry.logged_pipeline import LoggedPipeline
from dai_spark.registry.mlflow_client import as_registry_error
from dai_spark.registry.model_cache import kept_by_digest
from dai_spark.registry.origin import ModelOrigin

__all__ = ["OpenModel", "open_model"]

_MLMODEL = "MLmodel"
# Places that MLflow alone can read.
_MLFLOW_SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")


@dataclass(frozen=True)
class OpenModel:
    """A model whose pipeline is on this host.

    Attributes
    ----------
    origin : ModelOrigin
    logged : LoggedPipeline
        What the model says of its pipeline and its environment.
    pipeline : ScoringPipeline
        In this host's cache; it is the one that was logged.
    env : PackedEnvironment, str or None
        In the cache, or the path or URI that the model names.  None where it was not asked for.
    """

    origin: ModelOrigin
    logged: LoggedPipeline
    pipeline: ScoringPipeline
    env: Union[PackedEnvironment, str, None] = None


def open_model(
    uri: str,
    on_message: Callable[[str], None],
    *,
    with_env: bool = True,
    reads_uris: bool = True,
) -> OpenModel:
    """Find the model that a URI names now, and bring its pipeline to this host.

    Runs on the driver, or in a process that scores without Spark.  A content that is in the cache
    folder already is not fetched again, whatever model it belongs to.

    Parameters
    ----------
    uri : str
        See `find_model`.
    on_message : callable
        Is told which version was found, and what is fetched.
    with_env : bool, default True
        Whether the environment is wanted: an embedded one is fetched.
    reads_uris : bool, default True
        Whether the caller reads URIs itself, as Spark does; else MLflow fetches those as well.

    Returns
    -------
    OpenModel

    Raises
    ------
    OptionError, ModelRegistryError, RegistryUnreachableError
        See `find_model`.
    NotAPipelineError, PackedEnvironmentError
        A model of another flavour, or a file that is not the one that was logged.
    """
    found = find_model(uri)
    origin, logged = _described(found)
    label = origin.text
    on_message(f"{origin.uri} is {origin.details}")
    if logged.options:
        told = ", ".join(f"{name}={value!r}" for name, value in logged.options.items())
        on_message(
            f"{label} was logged with {told}, which holds for MLflow's own ways to score; give it "
            "here where it is wanted"
        )

    def fetch(folder: Path) -> None:
        on_message(f"fetching the pipeline of {label}")
        _download(found, logged.pipeline, folder)

    pipeline = kept_by_digest(
        logged.pipeline_digest, fetch, lambda folder: logged.read_pipeline(folder, label)
    )
    opened = OpenModel(origin, logged, pipeline)
    if not with_env:
        return opened
    return replace(opened, env=_environment(found, opened, on_message, reads_uris))


def _described(found: FoundModel) -> Tuple[ModelOrigin, LoggedPipeline]:
    """What the model's own file says of it, and of what the registry has not said."""
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        _download(found, _MLMODEL, Path(folder))
        with as_registry_error(found.origin.uri):
            model = Model.load(str(Path(folder) / _MLMODEL))
    origin = replace(
        found.origin,
        model_id=found.origin.model_id or getattr(model, "model_id", None) or "",
        run_id=found.origin.run_id or model.run_id or "",
    )
    return origin, LoggedPipeline.from_flavors(model.flavors, origin.text)


def _environment(
    found: FoundModel, opened: OpenModel, on_message: Callable[[str], None], reads_uris: bool
) -> Union[PackedEnvironment, str]:
    logged, label = opened.logged, opened.origin.text
    if logged.env.uri is None:

        def fetch(folder: Path) -> None:
            on_message(f"fetching the environment of {label}")
            _download(found, str(logged.env.path), folder)

        def read(folder: Path) -> PackedEnvironment:
            embedded = logged.embedded_environment(folder, label)
            assert embedded is not None
            return embedded

        return kept_by_digest(logged.env.digest, fetch, read)
    uri = logged.env.uri
    if not is_uri(uri) or (reads_uris and not uri.startswith(_MLFLOW_SCHEMES)):
        return uri
    name = uri.rstrip("/").rpartition("/")[2]

    def fetch_uri(folder: Path) -> None:
        on_message(f"fetching {without_password(uri)}")
        _download_uri(opened.origin, uri, folder / name)

    def read_uri(folder: Path) -> PackedEnvironment:
        environment = PackedEnvironment(folder / name)
        logged.check_environment(environment, label)
        return environment

    return kept_by_digest(logged.env.digest, fetch_uri, read_uri)


def _download(found: FoundModel, member: str, folder: Path) -> None:
    """Bring a file of the model into `folder`, to its place in the model."""
    _download_uri(found.origin, f"{found.files_uri}/{member}", folder / member)


def _download_uri(origin: ModelOrigin, uri: str, to: Path) -> None:
    from mlflow.artifacts import download_artifacts

    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as aside:
        shown = without_password(uri)
        with as_registry_error(origin.uri, f"no file {shown}; was the model logged to its end?"):
            # Stores differ in how many of the folders above a file they make.
            fetched = download_artifacts(artifact_uri=uri, dst_path=aside)
        Path(fetched).replace(to)
