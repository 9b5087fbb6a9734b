"""What the checks of values cost: the same batches scored with them and with them taken out.

The checks are those of `dai_spark.schema.cast` (does a value fit what the pipeline is sent) and of
`dai_spark.schema.prediction.check_answer` (is the answer what was described).  With them taken out,
values are cast as they come, whether or not they fit, and answers are taken as they are.  Both ways
run in turn in one process, without Spark, from Arrow batches to their predictions.  The checks run
in this process and the model in another, so their cost is what this process takes more of its
processor, as a share of the whole time: the time itself wavers by more than the checks take.

- *as they come*: the flights' own types, integers, floats and text.
- *as decimals*, *as text*: every number a decimal(18,3), or written out (with `on_cast="warn"`,
  which reads it), whose values have to be looked at one by one.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from direct import ENVIRONMENT, LICENSE, prepare_files
from exports import flights_pipeline
from program import Program, in_turn, medians, took
from tables import FEATURES, written_table

from dai_spark.client.executor import current_executor
from dai_spark.client.score import score_batches
from dai_spark.local.local_plan import local_plan, no_uri
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.schema.cast import CastBatch
from dai_spark.schema.columns import is_text

BATCH_ROWS = 10_000
N_TREES = 100
GOAL = 0.03


def main() -> None:
    """Measure all three tables and write the result."""
    Program(__file__, __doc__, rows=400_000, repeat=5).run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds with and without the checks, and their ratio, for each table."""
    prepare_files()
    _, files = written_table(arguments.rows, 4)
    flights = pq.read_table(files, columns=list(FEATURES)).combine_chunks()
    path = flights_pipeline(N_TREES)
    words = {"on_cast": "warn"}
    request = ScoringRequest.of(path, ENVIRONMENT, None, str(LICENSE), None, words, no_uri, no_uri)
    plan = local_plan(request, current_executor())
    tables = {
        "as they come": flights,
        "as decimals": numbers_as(flights, pa.decimal128(18, 3)),
        "as text": numbers_as(flights, pa.string()),
    }
    found = [compared(name, table, plan, arguments.repeat) for name, table in tables.items()]
    return {"rows": arguments.rows, "columns": len(FEATURES), "goal": GOAL, "tables": found}


def compared(name: str, table: pa.Table, plan: ScoringPlan, repeat: int) -> dict[str, Any]:
    """One table both ways."""
    batches = table.to_batches(BATCH_ROWS)
    cpu_s: dict[str, list[float]] = {"with the checks": [], "without": []}

    def scored(way: str) -> float:
        begun_s = time.process_time()
        seconds = took(lambda: score_all(plan, batches))
        cpu_s[way].append(time.process_time() - begun_s)
        return seconds

    def without_checks() -> float:
        with unchecked():
            return scored("without")

    seconds = in_turn(
        {"with the checks": lambda: scored("with the checks"), "without": without_checks},
        # One more: the first run of all starts the sidecar.
        repeat + 1,
        name,
    )
    seconds = {way: taken[1:] for way, taken in seconds.items()}
    median = medians(seconds)
    median_cpu = medians({way: taken[1:] for way, taken in cpu_s.items()})
    cost = (median_cpu["with the checks"] - median_cpu["without"]) / median["without"]
    return {
        "table": name,
        "seconds": seconds,
        "cpu_seconds": cpu_s,
        "median_s": median,
        "median_cpu_s": median_cpu,
        "cost": cost,
    }


def score_all(plan: ScoringPlan, batches: list[pa.RecordBatch]) -> None:
    """Score every batch through one connection; a failure ends the program."""
    for scored in score_batches(plan, batches, current_executor()):
        scored.prediction()


@contextmanager
def unchecked() -> Iterator[None]:
    """Put casts that look at nothing in the place of those that do."""

    def cast(batch: pa.RecordBatch, wanted: Any, rows: str, *_: Any) -> CastBatch:
        arrays = []
        for name, column in wanted.items():
            values = batch.column(name)
            if column.is_number and values.type != pa.float64():
                values = values.cast(pa.float64(), safe=False)
            arrays.append(values)
        return CastBatch(pa.RecordBatch.from_arrays(arrays, names=list(wanted)), 0)

    def as_it_is(answer: pa.RecordBatch, *_: Any) -> pa.RecordBatch:
        return answer

    with (
        mock.patch("dai_spark.client.pieces.cast_batch", cast),
        mock.patch("dai_spark.client.pieces.check_columns"),
        mock.patch("dai_spark.client.in_flight.check_answer", as_it_is),
    ):
        yield


def numbers_as(table: pa.Table, kind: pa.DataType) -> pa.Table:
    """The table with its numbers in another type, rounded to three digits where it has no more."""
    for i, field in enumerate(table.schema):
        if not is_text(field.type):
            values = table.column(i)
            if pa.types.is_floating(field.type):
                values = values.cast(pa.decimal128(18, 3), safe=False)
            if pa.types.is_integer(field.type) and pa.types.is_decimal(kind):
                # All flights' integers are small; those of 64 bits would want 19 digits.
                values = values.cast(pa.int32()).cast(pa.decimal128(10, 0))
            table = table.set_column(i, field.name, values.cast(kind))
    return table


if __name__ == "__main__":
    main()
