"""Scores a few rows a call with a pipeline's own Scorer, and says what each call took.

Runs in the pipeline's Python (3.6 and later) and knows nothing of dai_spark::

    python handle_worker.py WHEEL PACKAGE ROWS [N]

where ROWS is a Parquet file and N the rows of a call, one by default.  Says ``ready``; each line on
standard input is a number of calls, answered by the seconds of each of them as JSON.
"""

import importlib
import json
import os
import sys
import time

import pyarrow.parquet as pq

wheel, package, rows = sys.argv[1:4]
n_rows = int(sys.argv[4]) if len(sys.argv) > 4 else 1
sys.path.insert(0, wheel)
# A pipeline writes to standard output what it likes; the answers go to the real one.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
scorer = importlib.import_module(package).Scorer()
table = pq.read_table(rows).to_pandas()[list(scorer.get_column_names())]
frames = [table.iloc[i : i + n_rows].reset_index(drop=True) for i in range(0, len(table), n_rows)]


def tell(what):
    """Say something to who started this."""
    answers.write(json.dumps(what) + "\n")
    answers.flush()


tell("ready")
n_done = 0
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begun = time.perf_counter()
        scorer.score_batch(frames[n_done % len(frames)])
        seconds.append(time.perf_counter() - begun)
        n_done += 1
    tell(seconds)
