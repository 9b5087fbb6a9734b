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


@pytest.mark.timeout(600)
def test_an_environment_of_uv_s_scores_without_network(
    model, flights, own_scores, export, tmp_path, monkeypatch
):
    """Of packages that were fetched before; dai_spark is not among them."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    fetched = ["pip", "install", "--target", str(tmp_path / "fetched"), "--python", sys.executable]
    subprocess.run([uv, *fetched, "-r", str(model / "requirements.txt")], check=True, timeout=500)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # MLflow starts both by their names.
    path = [str(Path(uv).parent), str(Path(sys.base_prefix) / "bin"), os.environ["PATH"]]
    monkeypatch.setenv("PATH", ":".join(path))
    rows = flights.head(20)[list(FLIGHT_FEATURES)]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    mlflow.models.predict(
        str(model),
        input_path=str(tmp_path / "rows.csv"),
        content_type="csv",
        output_path=str(tmp_path / "scores.json"),
        env_manager="uv",
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
