"""The notebooks of jobs/mlflow, run with Databricks' own SDK against recorded answers.

No workspace is at hand: what is shown is that each request is one that the SDK makes, and what the
notebooks do with each answer.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import mlflow
import pytest
from databricks.sdk import WorkspaceClient
from workspace import ABSENT, serving

NOTEBOOKS = Path(__file__).resolve().parent.parent.parent / "jobs" / "mlflow" / "notebooks"
ENDPOINT = "/api/2.0/serving-endpoints"
NAME = "main-scoring-flights-sr"
MODEL = "main.scoring.flights"


def state(version, ready="READY", update="NOT_UPDATING"):
    """An endpoint as the workspace describes it."""
    entity = {"name": "flights", "entity_name": MODEL, "entity_version": version}
    return {
        "name": NAME,
        "state": {"ready": ready, "config_update": update},
        "config": {"served_entities": [entity], "config_version": 1},
    }


@pytest.fixture
def endpoint(monkeypatch):
    """The notebooks' module, which polls fast."""
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    monkeypatch.delitem(sys.modules, "serving_endpoint", raising=False)
    monkeypatch.setenv("DEPLOY_WAIT_TIMEOUT_S", "5")
    monkeypatch.setenv("DEPLOY_WAIT_POLL_S", "0.05")
    import serving_endpoint

    yield serving_endpoint
    sys.modules.pop("serving_endpoint", None)


@pytest.fixture
def notebook(endpoint, monkeypatch):
    """Run a notebook with parameters, as a job does; returns its names."""

    def run(name, **parameters):
        class Widgets:
            def __init__(self):
                self.known = {}

            def text(self, key, default):
                self.known[key] = default

            def dropdown(self, key, default, choices):
                assert default in choices
                self.known[key] = default

            def get(self, key):
                assert key in self.known, f"no widget {key}"
                return parameters.get(key, self.known[key])

        runtime = ModuleType("databricks.sdk.runtime")
        runtime.dbutils = SimpleNamespace(widgets=Widgets())
        monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
        return runpy.run_path(str(NOTEBOOKS / f"{name}.py"))

    yield run
    # A notebook sets the experiment of its process, which other tests share.
    mlflow.set_experiment("Default")


def test_the_waits_are_the_documented_ones(monkeypatch):
    """Fifteen minutes, and a look each ten seconds, where nobody says otherwise."""
    monkeypatch.delenv("DEPLOY_WAIT_TIMEOUT_S", raising=False)
    monkeypatch.delenv("DEPLOY_WAIT_POLL_S", raising=False)
    names = runpy.run_path(str(NOTEBOOKS / "serving_endpoint.py"))
    assert (names["TIMEOUT_S"], names["POLL_S"]) == (900, 10)


def test_a_new_endpoint_is_made_and_tried(notebook, log, rows, capsys, monkeypatch, store):
    """The licence by the name of its secret; READY is waited for; the example rows are scored."""
    log(registered_model_name=MODEL, input_example=rows.head(2))
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", mlflow.get_tracking_uri())
    answers = {
        f"GET {ENDPOINT}/{NAME}": [ABSENT, state("1", "NOT_READY", "IN_PROGRESS"), state("1")],
        f"POST {ENDPOINT}": [state("1", "NOT_READY", "IN_PROGRESS")],
        f"POST /serving-endpoints/{NAME}/invocations": [{"predictions": [{"a": 1}, {"a": 2}]}],
    }
    with serving(answers, monkeypatch) as workspace:
        notebook("deployment", model_name=MODEL, model_version="1")
    (made, body), (tried, sent) = workspace.asked
    assert made == f"POST {ENDPOINT}"
    (entity,) = body["config"]["served_entities"]
    assert (entity["entity_name"], entity["entity_version"]) == (MODEL, "1")
    assert entity["environment_vars"] == {"DRIVERLESS_AI_LICENSE_KEY": "{{secrets/dai/license}}"}
    assert tried.endswith("/invocations")
    assert len(sent["dataframe_records"]) == 2
    assert set(sent["dataframe_records"][0]) == set(rows.columns)
    assert f"{NAME} serves version 1 of {MODEL}" in capsys.readouterr().out


def test_an_endpoint_is_moved_once(endpoint, monkeypatch):
    """Another version is an update; the one that is served, or on its way, is left alone."""
    answers = {
        f"GET {ENDPOINT}/{NAME}": [state("1")],
        f"PUT {ENDPOINT}/{NAME}/config": [state("1", update="IN_PROGRESS")],
    }
    with serving(answers, monkeypatch) as workspace:
        client = WorkspaceClient()
        endpoint.deploy(client, MODEL, "1", "dai", "license")
        assert workspace.asked == []
        endpoint.deploy(client, MODEL, "2", "dai", "license")
        ((asked, body),) = workspace.asked
        assert asked == f"PUT {ENDPOINT}/{NAME}/config"
        assert body["served_entities"][0]["entity_version"] == "2"
        moving = {**state("1", update="IN_PROGRESS"), "pending_config": state("2")["config"]}
        workspace.answers[f"GET {ENDPOINT}/{NAME}"] = [moving]
        endpoint.deploy(client, MODEL, "2", "dai", "license")
        assert len(workspace.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (state("1"), TimeoutError, "with version 1, after 0.2 s; version 2 was waited for"),
        (state("2", "NOT_READY"), TimeoutError, "is NOT_READY"),
        (state("1", update="UPDATE_FAILED"), RuntimeError, "its update to version 2 failed"),
        (ABSENT, TimeoutError, "is not there"),
    ],
)
def test_a_wait_ends(endpoint, monkeypatch, answer, error, sentence):
    """By its limit or by a failure, which say what was seen."""
    answers = {f"GET {ENDPOINT}/{NAME}": [answer]}
    with serving(answers, monkeypatch), pytest.raises(error, match=sentence):
        endpoint.wait_until_ready(WorkspaceClient(), NAME, "2", timeout_s=0.2, poll_s=0.05)


def test_too_few_predictions_fail_the_smoke_test(endpoint, rows, monkeypatch):
    """An endpoint that answers something else is no success."""
    answers = {f"POST /serving-endpoints/{NAME}/invocations": [{"predictions": [0.5]}]}
    with serving(answers, monkeypatch), pytest.raises(RuntimeError, match="1 predictions for 2"):
        endpoint.smoke_test(WorkspaceClient(), NAME, rows.head(2))


@pytest.mark.parametrize("known", [False, True])
def test_the_deployment_job_is_made_once_and_connected(notebook, monkeypatch, known):
    """One task with both parameters; run again it is brought up to date."""
    connected = []
    monkeypatch.setattr(
        mlflow.MlflowClient,
        "update_registered_model",
        # Databricks' registry alone knows jobs.
        lambda self, name, **words: connected.append((name, words)),
    )
    jobs = {"jobs": [{"job_id": 7, "settings": {"name": f"deploy {MODEL}"}}]} if known else {}
    answers = {
        "GET /api/2.2/jobs/list": [jobs],
        "POST /api/2.2/jobs/create": [{"job_id": 7}],
        "POST /api/2.2/jobs/reset": [{}],
    }
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", mlflow.get_tracking_uri())
    with serving(answers, monkeypatch) as workspace:
        notebook(
            "create_deployment_job",
            model_name=MODEL,
            deployment_notebook_path="/Workspace/dai/deployment",
        )
    ((asked, body),) = workspace.asked
    assert asked == f"POST /api/2.2/jobs/{'reset' if known else 'create'}"
    settings = body["new_settings"] if known else body
    (task,) = settings["tasks"]
    assert task["task_key"] == "Deployment"
    assert task["notebook_task"]["notebook_path"] == "/Workspace/dai/deployment"
    assert {one["name"] for one in settings["parameters"]} == {"model_name", "model_version"}
    assert connected == [(MODEL, {"deployment_job_id": "7"})]


def test_the_packager_registers_and_waits(
    notebook, export, packed_environment, monkeypatch, capsys
):
    """A version that the endpoint has within the limit, tried with the export's own example."""
    name = "main.scoring.packaged"
    served = {
        "name": "main-scoring-packaged-sr",
        "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
        "config": {"served_entities": [{"entity_name": name, "entity_version": "1"}]},
    }
    answers = {
        f"GET {ENDPOINT}/main-scoring-packaged-sr": [ABSENT, served],
        "POST /serving-endpoints/main-scoring-packaged-sr/invocations": [{"predictions": [1]}],
    }
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", mlflow.get_tracking_uri())
    monkeypatch.setenv("SCORING_PIPELINE_DIR", str(export()))
    with serving(answers, monkeypatch) as workspace:
        notebook("driverless_ai_packager", model_name=name, env=str(packed_environment.path))
    assert f"is version 1 of {name}" in capsys.readouterr().out
    ((_, sent),) = workspace.asked
    assert len(sent["dataframe_records"]) == 1
    (version,) = mlflow.MlflowClient().search_model_versions(f"name='{name}'")
    assert version.version in (1, "1")
