"""Environments and images that MLflow makes for a model, which brings dai_spark with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

import dai_spark.mlflow
from dai_spark.testing import FLIGHT_FEATURES

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def model(export, packed_environment, tmp_path_factory, store):
    """A model's folder with dai_spark in it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    package = folder / "dai_spark.zip"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", str(package), "dai_spark"],
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    words = {"code_paths": [str(package)]}
    dai_spark.mlflow.save_model(folder / "model", export(), packed_environment.path, **words)
    return folder / "model"


@pytest.fixture(scope="module")
def wheels(model, tmp_path_factory):
    """The packages that a model asks for, fetched before the network is cut; not dai_spark."""
    folder = tmp_path_factory.mktemp("wheels")
    # The suite's own environment has no pip; the Python that it was made from does.
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    words = [python, "-m", "pip", "download", "-q", "-d", str(folder)]
    wanted = ["-r", str(model / "requirements.txt"), "pip", "setuptools", "wheel"]
    subprocess.run([*words, *wanted], check=True, timeout=500)
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("manager", ["uv", "virtualenv"])
def test_an_environment_of_mlflow_s_scores_without_network(
    manager, model, wheels, flights, own_scores, export, tmp_path, monkeypatch
):
    """Of packages that were fetched before; dai_spark is not among them."""
    if manager == "virtualenv":
        for tool in ("pyenv", "virtualenv"):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not on PATH, and MLflow starts it by its name")
    for name in ("UV", "PIP"):
        monkeypatch.setenv(f"{name}_NO_INDEX", "1")
        monkeypatch.setenv(f"{name}_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("VIRTUALENV_NO_DOWNLOAD", "1")
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path / "environments"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # MLflow starts both by their names.
    path = [
        str(Path(sys.executable).parent),
        str(Path(sys.base_prefix) / "bin"),
        os.environ["PATH"],
    ]
    monkeypatch.setenv("PATH", ":".join(path))
    rows = flights.head(20)[list(FLIGHT_FEATURES)]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    mlflow.models.predict(
        str(model),
        input_path=str(tmp_path / "rows.csv"),
        content_type="csv",
        output_path=str(tmp_path / "scores.json"),
        env_manager=manager,
    )
    expected = own_scores(export(), rows).astype("float64").to_dict(orient="records")
    assert json.loads((tmp_path / "scores.json").read_text()) == {"predictions": expected}


def test_a_dockerfile_holds_the_model(model, tmp_path):
    """What ``mlflow models generate-dockerfile`` writes: no licence, and the model whole."""
    words = ["models", "generate-dockerfile", "-m", str(model), "-d", str(tmp_path / "image")]
    subprocess.run([sys.executable, "-m", "mlflow", *words], check=True, timeout=120)
    assert (tmp_path / "image" / "Dockerfile").read_text().startswith("# ")
    (copied,) = (tmp_path / "image").rglob("MLmodel")
    assert copied.read_bytes() == (model / "MLmodel").read_bytes()
    assert (copied.parent / "code" / "dai_spark" / "__init__.py").exists()
