"""The notebook of examples/, run as a user runs it: from the first cell to the last."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent.parent
CELL_LIMIT_S = 240


@pytest.fixture(scope="module")
def demo_files(packed_environment):
    """Pipeline and environment where `make demo` leaves them."""
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), "--prepare"]
    subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)


@pytest.mark.timeout(900)
@pytest.mark.long
def test_notebook_runs_and_its_picture_shows_a_good_model(demo_files):
    """Every cell runs, all flights are scored with a bar, and predictions agree with delays."""
    notebook = nbformat.read(ROOT / "examples" / "score_flights.ipynb", as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT_S,
        resources={"metadata": {"path": str(ROOT / "examples")}},
    )
    client.execute(env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"})

    texts = []
    pictures = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
            pictures += "image/png" in output.get("data", {})
    said = "\n".join(texts)
    assert "336,776 flights scored" in said
    assert "tasks" in said, "no progress was shown"
    assert pictures == 1
    groups = agreement(notebook)
    assert len(groups) == 10
    assert max(abs(predicted - observed) for predicted, observed in groups) < 0.1


def agreement(notebook):
    """Read predicted and observed shares from the table that the notebook shows."""
    (shown,) = [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "median_delay" in output.get("data", {}).get("text/plain", "")
    ]
    rows = [line.split() for line in shown.splitlines()[1:]]
    return [(float(row[2]), float(row[3])) for row in rows]


def test_notebook_is_kept_without_outputs():
    """What is committed is the story; outputs would be of another machine and day."""
    notebook = nbformat.read(ROOT / "examples" / "score_flights.ipynb", as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
