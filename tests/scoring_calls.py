"""Calls that the sidecar's tests share: describe, score, and look at the log."""

import pandas as pd
import pyarrow as pa

from dai_spark.client.connection import Connection
from dai_spark.client.score import score_batches


def describe(plan, executor):
    with Connection(plan, executor) as connection:
        return plan.with_description(connection.describe())


def batches_of(frame, n_rows=1000):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return table.to_batches(max_chunksize=n_rows)


def run_folder(executor, plan):
    """The folder of the sidecar that serves a plan there."""
    return executor.folder / plan.key(plan.license)[:20]


def log_of(executor, plan=None):
    """The log of the sidecar that serves a plan there; without one, of the only one there is."""
    name = "*" if plan is None else run_folder(executor, plan).name
    (log,) = executor.folder.glob(f"dai_spark-sidecar-{name}.log")
    return log.read_text()


def score(plan, executor, frame, n_rows=1000, report=None):
    answers = []
    for scored in score_batches(plan, batches_of(frame, n_rows), executor, report):
        if scored.error is not None:
            raise scored.error
        answers.append(scored.answer.to_pandas())
    return pd.concat(answers, ignore_index=True)
