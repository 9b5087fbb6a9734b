"""Scores a table of flights by each way that wants no Spark."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from smoke import Smoke, arguments

from dai_spark import open_scorer, score_pandas

given = arguments()
smoke = Smoke(given)
files = {"env": given["env"], "license_file": given["license_file"]}
frame = pd.read_parquet(given["flights"])


def rows(scores):
    """What a frame of scores holds, by Python's own numbers, beside the flights' keys."""
    found = scores[smoke.columns].itertuples(index=False)
    return [(key, tuple(row)) for key, row in zip(frame["flight_id"].tolist(), found)]


def by_pandas():
    """One call, a frame in, a frame out."""
    return rows(score_pandas(frame, given["pipeline"], **files))


def by_handle():
    """A handle and an Arrow table."""
    with open_scorer(given["pipeline"], **files) as scorer:
        return rows(scorer.score(pq.read_table(given["flights"])).to_pandas())


def by_command():
    """Files into files, by the shell."""
    target = Path(tempfile.mkdtemp()) / "scores.parquet"
    command = [sys.executable, "-m", "dai_spark", "predict", given["pipeline"], given["flights"]]
    command += [str(target), "--env", given["env"], "--license-file", given["license_file"]]
    subprocess.run(command, env=dict(os.environ), check=True, timeout=120)
    return rows(pd.read_parquet(target))


smoke.way("score_pandas", by_pandas)
smoke.way("open_scorer", by_handle)
smoke.way("dai-spark predict", by_command)
smoke.end()
