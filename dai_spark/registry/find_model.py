"""find_model: a model's URI to the one version that it names now."""

from dataclasses import dataclass
from typing import Any

from dai_spark.errors import ModelRegistryError, shortened
from dai_spark.host.uri import without_password
from dai_spark.registry.mlflow_client import as_registry_error, mlflow_client, registry_place
from dai_spark.registry.model_uri import ModelUri, is_model_uri
from dai_spark.registry.origin import ModelOrigin

__all__ = ["FoundModel", "find_model", "has_moved"]


@dataclass(frozen=True)
class FoundModel:
    """A model that nothing moves any more.

    Attributes
    ----------
    origin : ModelOrigin
    files_uri : str
        Where its files lie: a URI that MLflow reads, and that holds for this model alone.
    """

    origin: ModelOrigin
    files_uri: str


def find_model(uri: str) -> FoundModel:
    """Ask MLflow which model a URI names now.

    Runs on the driver, or in a process that scores without Spark; a few small requests, and no
    file is fetched.  The settings are MLflow's own: ``MLFLOW_TRACKING_URI``,
    ``MLFLOW_REGISTRY_URI``, and what a notebook has set.

    Parameters
    ----------
    uri : str
        ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, ``models:/m-ID`` or ``runs:/RUN/PATH``.

    Returns
    -------
    FoundModel

    Raises
    ------
    OptionError
        The URI has another form, or MLflow is not installed.
    ModelRegistryError
        There is no such model, alias, version or run, or its registration is not complete.
    RegistryUnreachableError
    """
    asked = ModelUri.of(uri)
    client = mlflow_client(uri)
    if asked.name:
        return _registered(client, asked)
    if asked.model_id:
        return _logged(client, asked)
    with as_registry_error(uri, f"no run {asked.run_id}"):
        run = client.get_run(asked.run_id)
    origin = ModelOrigin(uri, run_id=run.info.run_id)
    return FoundModel(origin, f"runs:/{run.info.run_id}/{asked.path}")


def has_moved(origin: ModelOrigin) -> bool:
    """Whether a URI names another model now than it did: its alias was moved.

    Runs on the driver; asks MLflow where the URI has an alias, since nothing else can move.  What
    an OCI registry has is kept as it was found.

    Parameters
    ----------
    origin : ModelOrigin
        What `find_model` has found before.

    Raises
    ------
    ModelRegistryError
        The alias is gone.
    RegistryUnreachableError
    """
    if not is_model_uri(origin.uri) or not ModelUri.of(origin.uri).alias:
        return False
    now = find_model(origin.uri).origin
    return (now.version, now.run_id) != (origin.version, origin.run_id)


def _registered(client: Any, asked: ModelUri) -> FoundModel:
    name, uri = asked.name, asked.text
    try:
        with as_registry_error(uri, "no such model"):
            if asked.alias:
                found = client.get_model_version_by_alias(name, asked.alias)
            else:
                found = client.get_model_version(name, asked.version)
    except ModelRegistryError as error:
        raise _what_is_there(client, asked, error) from None
    if found.status != "READY":
        raise ModelRegistryError(
            f"{without_password(uri)}: version {found.version} of {name} is {found.status}, not "
            "READY; its registration is not complete, or has failed."
        )
    origin = ModelOrigin(
        uri,
        name=name,
        version=str(found.version),
        # MLflow has had the model's id since 3.0 only.
        model_id=getattr(found, "model_id", None) or "",
        run_id=found.run_id or "",
    )
    return FoundModel(origin, f"models:/{name}/{found.version}")


def _what_is_there(client: Any, asked: ModelUri, error: ModelRegistryError) -> ModelRegistryError:
    """Tell what of a registered model is not there: the model, its alias, its version."""
    if " has no such model" not in error.message:
        return error
    name, shown, place = asked.name, without_password(asked.text), registry_place()
    try:
        with as_registry_error(asked.text, f"no model {name}"):
            model = client.get_registered_model(name)
    except ModelRegistryError as second:
        return second
    if asked.alias:
        known = [f"{alias} (version {version})" for alias, version in model.aliases.items()]
        has = f"it has {shortened(known)}" if known else "it has none"
        return ModelRegistryError(
            f"{shown}: the model {name} of the registry {place} has no alias {asked.alias}; {has}."
        )
    return ModelRegistryError(
        f"{shown}: the model {name} of the registry {place} has no version {asked.version}; it may "
        "have been deleted."
    )


def _logged(client: Any, asked: ModelUri) -> FoundModel:
    with as_registry_error(asked.text, f"no logged model {asked.model_id}"):
        found = client.get_logged_model(asked.model_id)
    if str(found.status) != "READY":
        raise ModelRegistryError(
            f"{asked.text}: the logged model is {found.status}, not READY; it was not logged to "
            "its end."
        )
    origin = ModelOrigin(asked.text, model_id=found.model_id, run_id=found.source_run_id or "")
    # MLflow takes models:/m-ID/FILE for a model's name and its stage.
    return FoundModel(origin, str(found.artifact_location).rstrip("/"))
