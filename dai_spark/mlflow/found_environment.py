"""The packed environment of a logged model, on this machine: found, fetched, checked."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.errors import EnvironmentNotFoundError, OptionError, first_line
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.uri import is_uri, local_path, without_password
from dai_spark.plan.default_environment import VARIABLE
from dai_spark.registry.logged_pipeline import LoggedPipeline

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
    found = PackedEnvironment(local_path(uri)) if is_here else fetched(uri, logged.env.digest)
    logged.check_environment(found, label)
    return found


def named_environment(env: Environment) -> PackedEnvironment:
    """An environment that a caller names: of this machine, or by a URI that MLflow reads."""
    if isinstance(env, PackedEnvironment):
        return env
    if isinstance(env, str):
        return fetched(env) if is_uri(env) else PackedEnvironment(local_path(env))
    return PackedEnvironment(env)


def fetched(uri: str, digest: Optional[str] = None) -> PackedEnvironment:
    """An environment from elsewhere, in the cache folder; brought there unless it is.

    Parameters
    ----------
    uri : str
        Of whatever MLflow reads: ``s3://``, ``gs://``, ``dbfs:/``, ``runs:/``, ``https://`` ...
    digest : str, optional
        Of the file that is wanted.  Without it the file is fetched in any case.

    Raises
    ------
    EnvironmentNotFoundError
        MLflow could not read it.
    """
    home = private_folder(cache_folder() / "fetched")
    if digest is not None:
        for kept in sorted((home / digest).glob("*")):
            return PackedEnvironment(kept)
    # By MLflow, which has a reader for every store that it keeps models in.
    from mlflow.artifacts import download_artifacts

    shown = without_password(uri)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=home) as aside:
        try:
            path = Path(download_artifacts(artifact_uri=uri, dst_path=aside))
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
        found = PackedEnvironment(path)
        place = home / found.digest
        place.mkdir(mode=0o700, exist_ok=True)
        path.replace(place / path.name)
        return PackedEnvironment(place / path.name)
