"""A pipeline whose prediction ``y`` is a line over its column ``x``: plain Python knows it too."""

import zipfile
from pathlib import Path

_SCORER = """
import numpy as np
import pandas as pd

class Scorer(object):
    def get_column_names(self):
        return ["x"]

    def get_target_labels(self):
        return None

    def get_transformed_column_names(self):
        return []

    def score(self, row, output_margin=False, pred_contribs=False):
        return [float(row[0]) * {weight} + {shift}]

    def score_batch(self, frame, output_margin=False, pred_contribs=False):
        x = frame["x"].to_numpy(dtype="float64")
        if (x < {bad_below}).any():
            raise ValueError("linear: x is too small")
        return pd.DataFrame({{"y": x * {weight} + {shift}}})
"""


def build_linear(
    path: Path, weight: float = 1, shift: float = 0, bad_below: float = 0, name: str = "line"
) -> Path:
    """Write an export of it as a zip.

    A row whose ``x`` is below `bad_below` cannot be scored.  The experiment is called `name`; with
    other numbers it is another pipeline, whatever it is called.
    """
    package = f"scoring_h2oai_experiment_{name}"
    wheel = path.with_name(f"{package}-1.0.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        source = _SCORER.format(weight=weight, shift=shift, bad_below=bad_below)
        archive.writestr(f"{package}/__init__.py", source)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(wheel, f"scoring-pipeline/{wheel.name}")
        example = "pd.Series(['1'], name='x', dtype='float64')\n"
        archive.writestr("scoring-pipeline/example.py", example)
    wheel.unlink()
    return path
