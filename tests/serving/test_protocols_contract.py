"""What platforms expect of a server that they start: port, address, paths, variables, folders."""

import shutil
import subprocess
import sys
from dataclasses import replace

import httpx
import pytest
from free_port import free_port
from scoring_server import same

from dai_spark.errors import OptionError
from dai_spark.serving import contract as room
from dai_spark.serving.contract import CONTRACTS, contract_at_hand


@pytest.mark.parametrize(
    ("name", "host", "port", "variable"),
    [
        ("all", "127.0.0.1", 8080, None),
        ("container", "0.0.0.0", 9090, "SCORING_PORT"),
        ("dai", "0.0.0.0", 9090, "SCORING_PORT"),
        ("odahu", "0.0.0.0", 5000, None),
        ("sagemaker", "0.0.0.0", 8080, "SAGEMAKER_BIND_TO_PORT"),
        ("vertex", "0.0.0.0", 8080, "AIP_HTTP_PORT"),
        ("mlflow", "127.0.0.1", 5000, None),
    ],
)
def test_port_and_address_are_the_originals(name, host, port, variable):
    """A variable names another port; what is no port is refused by the variable's name."""
    contract = CONTRACTS[name]
    assert (contract.host, contract.port_in({})) == (host, port)
    if variable is not None:
        assert contract.port_in({variable: "8099"}) == 8099
        for wrong in ("x", "-1", "70000", "1.5"):
            with pytest.raises(OptionError, match=variable):
                contract.port_in({variable: wrong})


def test_routes_are_paths():
    """Vertex names them by variables."""
    vertex = CONTRACTS["vertex"]
    assert vertex.predict_paths({"AIP_PREDICT_ROUTE": "/v1/x:predict"}) == ("/v1/x:predict",)
    assert vertex.health_paths({}) == ()
    for wrong in ("predict", "/{x}", "/a?b"):
        with pytest.raises(OptionError, match="AIP_PREDICT_ROUTE"):
            vertex.predict_paths({"AIP_PREDICT_ROUTE": wrong})


def test_the_platform_is_known_by_its_pipeline(monkeypatch, tmp_path):
    """Vertex's variable before SageMaker's folder before the file of Driverless AI's image."""
    for name in ("sagemaker", "container"):
        monkeypatch.setitem(
            room.CONTRACTS, name, replace(CONTRACTS[name], place=str(tmp_path / name))
        )
    assert contract_at_hand({}) is None
    (tmp_path / "container").touch()
    assert contract_at_hand({}).name == "container"
    assert contract_at_hand({}).served is None
    (tmp_path / "sagemaker").mkdir()
    assert contract_at_hand({}).name == "sagemaker"
    assert contract_at_hand({"AIP_STORAGE_URI": "gs://bucket/x"}).name == "vertex"


def test_a_container_that_is_told_serve(serve, export, records, own, tmp_path):
    """Vertex's variables and nothing else: its port, its routes, its pipeline, every address."""
    shutil.copy(export(), tmp_path / "scorer.zip")
    port = free_port()
    variables = {
        "AIP_STORAGE_URI": f"file://{tmp_path}",
        "AIP_HTTP_PORT": str(port),
        "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/8",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/8:predict",
        "DAI_SPARK_TOKEN": "a secret",
    }
    server = serve(None, environment=variables, waits=False)
    server.wait(variables["AIP_HEALTH_ROUTE"])
    assert f"listening on http://0.0.0.0:{port}," in server.log.read_text()
    server.client.headers["Authorization"] = "Bearer a secret"
    answer = server.client.post(
        variables["AIP_PREDICT_ROUTE"], json={"instances": records, "parameters": {}}
    )
    found = answer.json()["predictions"]
    assert same(found, own)
    # Only what this platform asks for is there.
    assert server.client.post("/rpc", json={}).status_code == 404
    assert server.end() == 0


def test_what_is_named_is_what_is_served(serve, export):
    """``--protocol dai`` has ``/rpc`` and no other protocol's paths; ``--port`` wins."""
    server = serve(export(), "--protocol", "dai", environment={"SCORING_PORT": "1"})
    assert server.client.post("/rpc", json={"id": 3}).json()["id"] == 3
    for path in ("/predict", "/invocations", "/api/model/invoke", "/model/score"):
        assert server.client.post(path, json={}).status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:1/ready", trust_env=False)


def test_without_a_pipeline_it_says_where_it_looked():
    """One sentence, and exit status 2."""
    told = subprocess.run(
        [sys.executable, "-m", "dai_spark.cli", "serve", "--protocol", "odahu"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "Give the PIPELINE" in told.stderr
