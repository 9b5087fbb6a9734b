"""Versions of a registered model: each content once, found again by a tag; aliases that move."""

import hashlib
import json
from typing import TYPE_CHECKING, Any, List, Optional

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from dai_spark.errors import OptionError
from dai_spark.registry.logged_pipeline import FLAVOR, LoggedPipeline

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["DIGEST_TAG", "promote", "register_model", "rollback"]

# Tags of a version: of all that decides what it answers, and of its pipeline alone.
DIGEST_TAG = f"{FLAVOR}.digest"
_PIPELINE_TAG = f"{FLAVOR}.pipeline_digest"
# Tag of a registered model: versions that an alias named before, the last one at the end.
_HISTORY_TAG = f"{FLAVOR}.history."
_MOST_HISTORY = 20


def register_model(model_uri: str, name: str, *, alias: Optional[str] = None) -> "ModelVersion":
    """Register a logged pipeline as a version, unless one has the same content already.

    The content is pipeline, environment, options and signature, which a tag of the version tells.

    Parameters
    ----------
    model_uri : str
        ``models:/m-...`` or ``runs:/.../model``.
    name : str
        Of the registered model, made if need be; with Unity Catalog ``catalog.schema.name``.
    alias : str, optional
        Let this alias name the version.

    Returns
    -------
    mlflow.entities.model_registry.ModelVersion
        The new version, or the latest one of the same content.

    Raises
    ------
    NotAPipelineError
        The model was logged by something else.
    """
    info = mlflow.models.get_model_info(model_uri)
    logged = LoggedPipeline.from_flavors(info.flavors, model_uri)
    digest = _content_digest(logged, info)
    client = mlflow.MlflowClient()
    found = _same_content(client, name, digest)
    if found is None:
        tags = {DIGEST_TAG: digest, _PIPELINE_TAG: logged.pipeline_digest}
        found = mlflow.register_model(model_uri, name, tags=tags)
    if alias is not None:
        set_alias(name, alias, found.version)
    return found


def promote(name: str, version: str, alias: str = "champion") -> "ModelVersion":
    """Let an alias name a version, and remember which one it named before.

    Parameters
    ----------
    name : str
        Of the registered model.
    version : str
        A version's number, or another alias: ``"challenger"``.
    alias : str, default "champion"

    Raises
    ------
    OptionError
        There is no such version.
    """
    found = _version(name, str(version))
    set_alias(name, alias, found.version)
    return found


def rollback(name: str, alias: str = "champion") -> "ModelVersion":
    """Let an alias name the version again that it named before.

    Raises
    ------
    OptionError
        It has named no other.
    """
    client = mlflow.MlflowClient()
    history = _history(client, name, alias)
    if not history:
        raise OptionError(
            f"The alias {alias} of {name} has named no other version that dai_spark knows of; name "
            "the version to go back to: `dai-spark mlflow promote`."
        )
    back = history.pop()
    found = _version(name, back)
    client.set_registered_model_alias(name, alias, back)
    _remember(client, name, alias, history)
    return found


def set_alias(name: str, alias: str, version: Any) -> None:
    """Let an alias name a version; what it named before is remembered for `rollback`."""
    client = mlflow.MlflowClient()
    before = _named_by(client, name, alias)
    if before == str(version):
        return
    client.set_registered_model_alias(name, alias, str(version))
    if before is not None:
        _remember(client, name, alias, [*_history(client, name, alias), before])


def _content_digest(logged: LoggedPipeline, info: Any) -> str:
    signature = info.signature.to_dict() if info.signature is not None else None
    parts = [logged.pipeline_digest, logged.env.digest, dict(logged.options), signature]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def _same_content(
    client: "mlflow.MlflowClient", name: str, digest: str
) -> "Optional[ModelVersion]":
    quoted = name.replace("'", "\\'")
    try:
        # Filters by tags are not known to every registry (Unity Catalog).
        versions = client.search_model_versions(f"name='{quoted}'")
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise
    same = [v for v in versions if _tag(client, v, DIGEST_TAG) == digest]
    return max(same, key=lambda v: int(v.version)) if same else None


def _tag(client: "mlflow.MlflowClient", version: "ModelVersion", tag: str) -> Optional[str]:
    tags = version.tags
    if not tags:
        # Unity Catalog lists versions without their tags.
        tags = client.get_model_version(version.name, version.version).tags
    found: Optional[str] = tags.get(tag)
    return found


def _version(name: str, version: str) -> "ModelVersion":
    client = mlflow.MlflowClient()
    try:
        if version.isdigit():
            return client.get_model_version(name, version)
        return client.get_model_version_by_alias(name, version)
    except MlflowException as error:
        what = f"version {version}" if version.isdigit() else f"version with the alias {version}"
        raise OptionError(
            f"{name} has no {what} in the registry {mlflow.get_registry_uri()} ({error.message})."
        ) from error


def _named_by(client: "mlflow.MlflowClient", name: str, alias: str) -> Optional[str]:
    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException:
        # No such alias; whether the model is there, setting it tells.
        return None


def _history(client: "mlflow.MlflowClient", name: str, alias: str) -> List[str]:
    told = client.get_registered_model(name).tags.get(f"{_HISTORY_TAG}{alias}", "")
    return [version for version in told.split(",") if version]


def _remember(client: "mlflow.MlflowClient", name: str, alias: str, history: List[str]) -> None:
    text = ",".join(history[-_MOST_HISTORY:])
    client.set_registered_model_tag(name, f"{_HISTORY_TAG}{alias}", text)
