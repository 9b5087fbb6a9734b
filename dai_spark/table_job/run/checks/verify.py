"""Verification: rows of the target scored again, one by one, by a scorer that was loaded for it."""

import dataclasses
import struct
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.run.context import RunContext

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["verify"]

# Part of the sidecar's key, so that no scorer that is loaded already answers.
_FRESH = "DAI_SPARK_VERIFIES"
_IDLE_S = 5.0


def verify(context: RunContext) -> Tuple[int, int]:
    """Score random rows that a run has written again and compare all bits.

    Runs on the driver, after the commit: finds the input of written rows in the source by key,
    scores it in batches of one row in a sidecar of its own, and holds that against what was
    written.  Spark compares the keys, which never leave it: -0.0 is 0.0, and NaN is NaN.

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
    named = [context.target.name_of(name) for name in job.key]
    # By a hash, so that each time that Spark looks it finds the same rows.
    place = F.xxhash64(F.lit(record.run_id), *[F.col(quoted(name)) for name in named])
    chosen = written.orderBy(place, *map(quoted, named)).limit(job.verify)
    chosen = _named(chosen, "k", named, "written", context.columns.predicted)
    rows = context.source.rows(job)
    same = _equal(chosen, "k", rows, job.key)
    rows = rows.join(F.broadcast(chosen), on=same, how="left_semi")
    options = context.plan.options
    one_by_one = dataclasses.replace(
        options,
        batch_rows=1,
        idle_timeout_s=_IDLE_S,
        env_vars={**options.env_vars, _FRESH: record.run_id},
    )
    again = dataclasses.replace(context, plan=dataclasses.replace(context.plan, options=one_by_one))
    scored = again.for_target(again.scored(rows.coalesce(1)))
    scored = _named(scored, "s", named, "scored", context.columns.predicted)
    keys = [f"s{number}" for number in range(len(job.key))]
    both = chosen.join(scored, on=_equal(chosen, "k", scored, keys), how="left")
    found = both.select("written", "scored").collect()
    differing = [row for row in found if row[1] is None or _bits(row[0]) != _bits(row[1])]
    return len(found), len(differing)


def _named(
    rows: "DataFrame", prefix: str, key: Sequence[str], name: str, predicted: Sequence[str]
) -> "DataFrame":
    """A key's columns by their numbers, and the predictions as one struct: names that none has."""
    from pyspark.sql import functions as F

    keys = [F.col(quoted(one)).alias(f"{prefix}{number}") for number, one in enumerate(key)]
    values = [F.col(quoted(one)).alias(f"v{number}") for number, one in enumerate(predicted)]
    return rows.select(*keys, F.struct(*values).alias(name))


def _equal(chosen: "DataFrame", prefix: str, rows: "DataFrame", key: Sequence[str]) -> "Column":
    pairs = [chosen[f"{prefix}{i}"] == rows[quoted(name)] for i, name in enumerate(key)]
    return reduce(and_, pairs)


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
