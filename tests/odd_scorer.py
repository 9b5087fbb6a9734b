"""An export whose Scorer does what the text of its rows says, an expression of Python."""

import zipfile

SCORER = """
import decimal, functools, os, sys
import numpy as np
import pandas as pd

class NoText(ValueError):
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __str__

def deep(n):
    return deep(n - 1) if n else 1 / n

def chain(n):
    error = None
    for i in range(n):
        error, before = ValueError("%d " % i + 1000 * u"\\u00e9"), error
        error.__cause__ = before
    raise error

def throw(error):
    raise error

class Scorer(object):
    def get_column_names(self):
        return ["number", "text"]

    def get_target_labels(self):
        return None

    def score(self, row, output_margin=False, pred_contribs=False):
        raise NotImplementedError

    def score_batch(self, frame, output_margin=False, pred_contribs=False):
        score = frame["number"].values * 2
        found = pd.DataFrame({"y": score.astype(np.float32)})
        asked = [t for t in frame["text"] if t]
        return eval(asked[0]) if asked else found
"""
EXAMPLE = """
pd.Series(['1', '2', '3'], name='number', dtype='float32')
pd.Series([None], name='text', dtype='object')
"""


def odd_export(folder, scorer=SCORER, example=EXAMPLE):
    """Write an export whose Scorer is this source, with this example; return its path."""
    package = "scoring_h2oai_experiment_0000"
    wheel = folder / f"{package}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{package}/__init__.py", scorer)
    with zipfile.ZipFile(folder / "scorer.zip", "w") as archive:
        archive.write(wheel, f"scoring-pipeline/{wheel.name}")
        archive.writestr("scoring-pipeline/example.py", example)
    return folder / "scorer.zip"
