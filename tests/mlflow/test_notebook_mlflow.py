"""examples/mlflow.ipynb, run as a user runs it: from the first cell to the last."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOK = ROOT / "examples" / "mlflow.ipynb"


@pytest.mark.timeout(900)
@pytest.mark.long
def test_notebook_runs_and_says_what_its_text_says(packed_environment):
    """A version, its scores, another, and back; the model is better than a guess."""
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), "--prepare"]
    subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=240, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute(env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
    said = "\n".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "'late.no': float (required), 'late.yes': float (required)" in said
    assert "the same again is version 1" in said
    assert "with labels it is version 2" in said
    assert "['late.no', 'late.yes', 'label']" in said
    assert "champion is version 1 again" in said
    accuracy = float(said.partition("accuracy ")[2].split()[0])
    assert accuracy > 0.8


def test_notebook_is_kept_without_outputs():
    """What is committed is the story; outputs would be of another machine and day."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
