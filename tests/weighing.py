"""A pipeline that multiplies: a score that plain Python knows as well."""

import zipfile
from pathlib import Path

_PACKAGE = "scoring_h2oai_experiment_w{weight}"
_SCORER = """
import numpy as np
import pandas as pd

class Scorer(object):
    def get_column_names(self):
        return ["x"]

    def get_target_labels(self):
        return None

    def get_transformed_column_names(self):
        return ["x"]

    def score(self, row, output_margin=False, pred_contribs=False):
        return [float(row[0] * {weight})]

    def score_batch(self, frame, output_margin=False, pred_contribs=False):
        if (frame["x"] < 0).any():
            raise ValueError("x is below zero")
        return pd.DataFrame({{"y": (frame["x"] * {weight}).to_numpy(dtype=np.float32)}})
"""


def build_weighing(path: Path, weight: int) -> Path:
    """Write an export of it as a zip: its prediction `y` is `weight` times its column `x`.

    A row whose `x` is below zero cannot be scored.
    """
    package = _PACKAGE.format(weight=weight)
    wheel = path.with_name(f"{package}-1.0.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{package}/__init__.py", _SCORER.format(weight=weight))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(wheel, f"scoring-pipeline/{wheel.name}")
        example = "pd.Series(['1'], name='x', dtype='float32')\n"
        archive.writestr("scoring-pipeline/example.py", example)
    wheel.unlink()
    return path
