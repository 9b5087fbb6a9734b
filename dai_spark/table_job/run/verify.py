"""Verification: rows of the target scored again, one by one, by a scorer that was loaded for it."""

import dataclasses
import struct
from typing import Any, Dict, List, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.run.context import RunContext

__all__ = ["verify"]

# Part of the sidecar's key, so that no scorer that is loaded already answers.
_FRESH = "DAI_SPARK_VERIFIES"
_IDLE_S = 5.0


def verify(context: RunContext) -> Tuple[int, int]:
    """Score random rows that a run has written again and compare all bits.

    Runs on the driver, after the commit: reads keys and predictions back from the target, finds
    their input in the source by key, and scores them in batches of one row in a sidecar of its own.

    Parameters
    ----------
    context : RunContext
        Its job says how many rows, and names the key.

    Returns
    -------
    n_rows, n_differing : int
        How many were compared, and how many of them were not equal or not found again.
    """
    from pyspark.sql import functions as F

    job, record = context.job, context.record
    written = context.target.written.read(context.spark)
    if job.lineage:
        written = written.where(F.col(f"{quoted(COLUMN)}.run_id") == record.run_id)
    chosen = written.orderBy(F.rand()).limit(job.verify)
    named = [context.target.name_of(name) for name in job.key]
    columns = [*named, *context.columns.predicted]
    found = chosen.select(*map(quoted, columns)).collect()
    if not found:
        return 0, 0
    keys_of_target = chosen.select(*map(quoted, named)).toDF(*job.key)
    schema = keys_of_target.schema
    keys = context.spark.createDataFrame([tuple(row[: len(job.key)]) for row in found], schema)
    rows = context.source.rows(job).join(F.broadcast(keys), on=list(job.key), how="left_semi")
    options = context.plan.options
    one_by_one = dataclasses.replace(
        options,
        batch_rows=1,
        idle_timeout_s=_IDLE_S,
        env_vars={**options.env_vars, _FRESH: record.run_id},
    )
    again = dataclasses.replace(context, plan=dataclasses.replace(context.plan, options=one_by_one))
    scored = again.for_target(again.scored(rows.coalesce(1))).select(*map(quoted, columns))
    expected = {tuple(row[: len(job.key)]): _bits(row[len(job.key) :]) for row in scored.collect()}
    differing = [
        row
        for row in found
        if expected.get(tuple(row[: len(job.key)])) != _bits(row[len(job.key) :])
    ]
    return len(found), len(differing)


def _bits(values: Any) -> List[Any]:
    """Values with every float as its eight bytes: NaN equals itself, and 0.0 not -0.0."""
    found: List[Any] = []
    for value in values:
        if isinstance(value, float):
            found.append(struct.pack("<d", value))
        elif hasattr(value, "asDict"):
            inner: Dict[str, Any] = value.asDict()
            found += [*inner, *_bits(inner.values())]
        else:
            found.append(value)
    return found
