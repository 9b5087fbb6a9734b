"""The packed environment of a logged model, on this machine: found, fetched, checked."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.errors import EnvironmentNotFoundError, OptionError, first_line
from dai_spark.host.uri import is_uri, local_path, without_password
from dai_spark.plan.default_environment import VARIABLE
from dai_spark.registry.logged_pipeline import LoggedPipeline
from dai_spark.registry.model_cache import kept_by_digest, models_folder

__all__ = ["Environment", "fetched", "found_environment", "named_environment"]

Environment = Union[str, "os.PathLike[str]", PackedEnvironment]

_LOG = logging.getLogger("dai_spark")


def found_environment(
    logged: LoggedPipeline, folder: Path, label: str, override: Optional[Environment]
) -> PackedEnvironment:
    """The environment that a model scores in, on this machine.

    The one that was given; else the one within the model; else the one that it was logged with,
    where that lies; else what ``DAI_SPARK_ENV`` names; else the one that it was logged with,
    fetched by MLflow into the cache folder.

    Parameters
    ----------
    logged : LoggedPipeline
    folder : Path
        The model's own.
    label : str
        What an error calls the model.
    override : str, Path, PackedEnvironment or None

    Raises
    ------
    PackedEnvironmentError
        It is nowhere, or not the one that the model was logged with.
    """
    if override is not None and override != "":
        return named_environment(override)
    embedded = logged.embedded_environment(folder, label)
    if embedded is not None:
        return embedded
    uri = logged.env.uri
    assert uri is not None
    is_here = not is_uri(uri) and local_path(uri).exists()
    instead = os.environ.get(VARIABLE)
    if instead and not is_here:
        _LOG.info("environment %s, which %s names", instead, VARIABLE)
        return named_environment(instead)
    if not is_here and not is_uri(uri):
        raise EnvironmentNotFoundError(
            f"The environment {uri}, which {label} was logged with, is not on this machine; copy "
            f"it there, name another place by env= or the environment variable {VARIABLE}, or log "
            "the model with embed_env=True."
        )

    def checked(found: PackedEnvironment) -> PackedEnvironment:
        logged.check_environment(found, label)
        return found

    if is_here:
        return checked(PackedEnvironment(local_path(uri)))
    return kept_by_digest(
        logged.env.digest,
        lambda aside: _download(uri, aside),
        lambda kept: checked(_archive_in(kept)),
    )


def named_environment(env: Environment) -> PackedEnvironment:
    """An environment that a caller names: of this machine, or by a URI that MLflow reads."""
    if isinstance(env, PackedEnvironment):
        return env
    if isinstance(env, str):
        return fetched(env) if is_uri(env) else PackedEnvironment(local_path(env))
    return PackedEnvironment(env)


def fetched(uri: str) -> PackedEnvironment:
    """An environment from elsewhere, brought into the cache folder.

    Parameters
    ----------
    uri : str
        Of whatever MLflow reads: ``s3://``, ``gs://``, ``dbfs:/``, ``runs:/``, ``https://`` ...

    Raises
    ------
    EnvironmentNotFoundError
        MLflow could not read it.
    """
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=models_folder()) as aside:
        path = _download(uri, Path(aside))
        digest = PackedEnvironment(path).digest
        return kept_by_digest(digest, lambda kept: path.replace(kept / path.name), _archive_in)


def _archive_in(folder: Path) -> PackedEnvironment:
    """The environment that was downloaded into a folder of its own."""
    for path in folder.iterdir():
        return PackedEnvironment(path)
    raise EnvironmentNotFoundError(f"{folder} holds no environment; give the place it is from.")


def _download(uri: str, folder: Path) -> Path:
    """Bring an archive into a folder, by MLflow: it reads every store that it keeps models in."""
    from mlflow.artifacts import download_artifacts

    shown = without_password(uri)
    try:
        path = Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except Exception as error:
        raise EnvironmentNotFoundError(
            f"The environment {shown} cannot be read by MLflow "
            f"({without_password(first_line(error, 300))}); check that it is there and that "
            "this process may read it, or give env= a path of this machine."
        ) from error
    if path.is_dir():
        raise OptionError(
            f"{shown} is a folder; an environment that is fetched must be an archive."
        )
    return path
