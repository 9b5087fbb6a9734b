"""Scores Parquet files with a pipeline's own Scorer, each in one call.

Runs in the pipeline's Python, by itself: ``python direct_scoring.py WHEEL PACKAGE ARGUMENTS``
scores rows.parquet; with a fourth word each line of standard input names files to score,
``ROWS SCORES``, and is answered by a line.
"""

import importlib
import json
import os
import sys

import pandas as pd

sys.path.insert(0, sys.argv[1])
# The pipeline prints what it likes; answers go where standard output was.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
scorer = importlib.import_module(sys.argv[2]).Scorer()
arguments = json.loads(sys.argv[3])


def score(rows, scores):
    scorer.score_batch(pd.read_parquet(rows), **arguments).to_parquet(scores)


if len(sys.argv) == 4:
    score("rows.parquet", "scores.parquet")
else:
    for line in sys.stdin:
        score(*line.split())
        answers.write("done\n")
        answers.flush()
