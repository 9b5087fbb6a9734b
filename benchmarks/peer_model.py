"""The pipeline as an MLflow model, whose code this file is: a Scorer behind `predict`."""

import importlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel


class PipelineModel(PythonModel):
    """Constructs the scorer when the model is loaded, in a working directory of its own."""

    def load_context(self, context: Any) -> None:
        """Construct the scorer."""
        home = Path(os.environ["PEER_HOME"])
        folder = Path(tempfile.mkdtemp(prefix="model-", dir=home))
        shutil.copytree(home / "tmp", folder / "tmp")
        os.chdir(folder)
        package = Path(context.artifacts["package"]).read_text(encoding="utf-8")
        self.scorer = importlib.import_module(package).Scorer()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Score a batch."""
        return self.scorer.score_batch(model_input)


mlflow.models.set_model(PipelineModel())
