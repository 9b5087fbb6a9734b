"""Scores rows.parquet with a pipeline's own Scorer, in one call: what all scores are held against.

Runs in the pipeline's Python, by itself: ``python direct_scoring.py WHEEL PACKAGE ARGUMENTS``.
"""

import importlib
import json
import sys

import pandas as pd

sys.path.insert(0, sys.argv[1])
scorer = importlib.import_module(sys.argv[2]).Scorer()
rows = pd.read_parquet("rows.parquet")
scorer.score_batch(rows, **json.loads(sys.argv[3])).to_parquet("scores.parquet")
