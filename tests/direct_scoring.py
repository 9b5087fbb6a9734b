"""Scores Parquet files with a pipeline's own Scorer, each in one call.

Runs in the pipeline's Python, by itself: ``python direct_scoring.py WHEEL PACKAGE``.  Each line of
standard input is JSON, ``[ROWS, SCORES, ARGUMENTS]``: the files to read and to write, and the
keyword arguments of `score_batch`.  Each is answered by a line.
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

for line in sys.stdin:
    rows, scores, arguments = json.loads(line)
    scorer.score_batch(pd.read_parquet(rows), **arguments).to_parquet(scores)
    answers.write("done\n")
    answers.flush()
