"""Scores Parquet files with a pipeline's own Scorer: one process of direct scoring.

Runs in the pipeline's Python (3.6 and later) and knows nothing of dai_spark::

    python direct_worker.py WHEEL PACKAGE BATCH_ROWS TARGET_FOLDER KEPT_COLUMN FILE...

Says ``ready`` when the scorer is loaded, starts at a line on standard input, and says ``done``.
"""

import importlib
import os
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

wheel, package, batch_rows, target, kept = sys.argv[1:6]
sys.path.insert(0, wheel)
# A pipeline writes to standard output what it likes; the answers go to the real one.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
scorer = importlib.import_module(package).Scorer()
columns = list(scorer.get_column_names())
answers.write("ready\n")
answers.flush()
sys.stdin.readline()
for path in sys.argv[6:]:
    rows = pq.read_table(path, columns=[kept, *columns])
    scored = []
    for start in range(0, rows.num_rows, int(batch_rows)):
        batch = rows.slice(start, int(batch_rows)).to_pandas()
        scores = scorer.score_batch(batch[columns]).reset_index(drop=True)
        scores.insert(0, kept, batch[kept].values)
        scored.append(scores)
    table = pa.Table.from_pandas(pd.concat(scored, ignore_index=True), preserve_index=False)
    pq.write_table(table, str(Path(target) / Path(path).name))
answers.write("done\n")
answers.flush()
