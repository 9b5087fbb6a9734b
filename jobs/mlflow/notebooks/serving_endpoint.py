"""A Model Serving endpoint: made or moved to a version, waited for, tried; for the notebooks."""

import json
import os
import re
import time

from databricks.sdk.errors import NotFound
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    ServedEntityInput,
)

TIMEOUT_S = float(os.environ.get("DEPLOY_WAIT_TIMEOUT_S", "900"))
POLL_S = float(os.environ.get("DEPLOY_WAIT_POLL_S", "10"))
LICENCE = "DRIVERLESS_AI_LICENSE_KEY"


def endpoint_name(model_name):
    """The endpoint of a model: ``main.scoring.flights`` has ``main-scoring-flights-sr``."""
    # Names of endpoints have 63 characters at most.
    return re.sub(r"[^A-Za-z0-9_-]", "-", model_name)[-60:].lstrip("-_") + "-sr"


def deploy(workspace, model_name, model_version, licence_scope, licence_key):
    """Make the endpoint, or move it to a version; one that serves it already is left alone.

    The licence comes from a secret scope: its name stands in the endpoint, and never its text.
    """
    name = endpoint_name(model_name)
    entity = ServedEntityInput(
        entity_name=model_name,
        entity_version=model_version,
        workload_size="Small",
        scale_to_zero_enabled=True,
        environment_vars={LICENCE: f"{{{{secrets/{licence_scope}/{licence_key}}}}}"},
    )
    try:
        found = workspace.serving_endpoints.get(name)
    except NotFound:
        workspace.serving_endpoints.create(
            name, config=EndpointCoreConfigInput(name=name, served_entities=[entity])
        )
        return name
    if model_version not in (_version(found.config), _version(found.pending_config)):
        workspace.serving_endpoints.update_config(name, served_entities=[entity])
    return name


def wait_until_ready(workspace, name, model_version, timeout_s=TIMEOUT_S, poll_s=POLL_S):
    """Wait until the endpoint is READY with a version; it need not be there yet."""
    deadline = time.monotonic() + timeout_s
    seen = "is not there"
    while True:
        try:
            found = workspace.serving_endpoints.get(name)
        except NotFound:
            found = None
        if found is not None:
            update, ready = found.state.config_update, found.state.ready
            seen = f"is {ready.value}, its update {update.value}, with version " + str(
                _version(found.config)
            )
            if update == EndpointStateConfigUpdate.UPDATE_FAILED:
                raise RuntimeError(
                    f"The endpoint {name} {seen}: its update to version {model_version} failed; "
                    "the endpoint's page has the build's log."
                )
            is_ready = ready == EndpointStateReady.READY
            is_still = update == EndpointStateConfigUpdate.NOT_UPDATING
            if is_ready and is_still and _version(found.config) == model_version:
                return found
        if time.monotonic() + poll_s > deadline:
            raise TimeoutError(
                f"The endpoint {name} {seen}, after {timeout_s:g} s; version {model_version} was "
                "waited for. DEPLOY_WAIT_TIMEOUT_S says how long."
            )
        time.sleep(poll_s)


def smoke_test(workspace, name, example):
    """Score the model's example rows; each must have a prediction."""
    records = json.loads(example.to_json(orient="records"))
    predictions = workspace.serving_endpoints.query(name, dataframe_records=records).predictions
    if not predictions or len(predictions) != len(records):
        raise RuntimeError(
            f"The endpoint {name} gave {len(predictions or [])} predictions for {len(records)} "
            "rows."
        )
    return predictions


def _version(config):
    """The version that a configuration serves, where it is one."""
    entities = (config.served_entities if config is not None else None) or []
    return entities[0].entity_version if len(entities) == 1 else None
