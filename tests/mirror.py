"""A pipeline whose prediction ``y`` is its one column ``x``: a stale score is seen at once."""

import zipfile
from pathlib import Path

PACKAGE = "scoring_h2oai_experiment_m1rr"

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
        return [float(row[0])]

    def score_batch(self, frame, output_margin=False, pred_contribs=False):
        x = frame["x"].to_numpy(dtype="float64")
        if (x < {bad_below}).any():
            raise ValueError("mirror: x is too small")
        return pd.DataFrame({{"y": x + {shift}}})
"""


def build_mirror(path: Path, bad_below: float = 0, shift: float = 0) -> Path:
    """Write an export of it as a zip.

    Rows whose ``x`` is below a number cannot be scored; `shift` is added to each prediction, so
    that two pipelines can be told apart.
    """
    wheel = path.with_name(f"{PACKAGE}-1.0.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        source = _SCORER.format(bad_below=bad_below, shift=shift)
        archive.writestr(f"{PACKAGE}/__init__.py", source)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(wheel, f"scoring-pipeline/{wheel.name}")
        example = "pd.Series(['1'], name='x', dtype='float64')\n"
        archive.writestr("scoring-pipeline/example.py", example)
    wheel.unlink()
    return path
