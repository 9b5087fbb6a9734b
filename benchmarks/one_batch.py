"""Where the time of one batch goes: Spark, the Python worker, the socket, the sidecar, the model.

Spark's part (Parquet, JVM to Arrow, to the worker and back) is a bare mapInArrow over the table,
divided by its batches.  The worker's steps are timed one by one on a batch of the same rows, the
scorer's by the same functions in the pipeline's own Python; what a batch's whole way to a sidecar
and back takes beyond these is the socket and the waiting of two processes for each other.
"""

import argparse
import json
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bare import bare_frame
from direct import ENVIRONMENT, FOLDER, LICENSE, environment_of, fresh, prepare_files
from exports import flights_pipeline
from program import Program, tell, took
from session import start_spark, write_away
from tables import FEATURES, KEY, written_table

from dai_spark import ScoringPipeline
from dai_spark.client.connection import Connection
from dai_spark.client.executor import current_executor
from dai_spark.local.local_plan import local_plan, no_uri
from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.schema.cast import cast_batch
from dai_spark.schema.prediction import PredictionShape, check_answer
from dai_spark.unpack.folders import sidecar_source

BATCH_ROWS = 10_000
N_TREES = (100, 1000)
WORK = FOLDER / "one-batch"


def main() -> None:
    """Measure both weights and write the result."""
    Program(
        __file__, __doc__, rows=400_000, repeat=20, rows_help="rows of the table for Spark's part"
    ).run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Spark's part, then each step of a batch, for each weight."""
    prepare_files()
    source, files = written_table(arguments.rows, 4)
    spark = start_spark("local[1]")
    frame = spark.read.parquet(str(source))

    def bare() -> None:
        write_away(bare_frame(frame, [KEY], FEATURES))

    bare()
    spark_s = took(bare) / (arguments.rows / BATCH_ROWS)
    spark.stop()
    rows = pq.read_table(files[0]).slice(0, BATCH_ROWS).combine_chunks().to_batches()[0]
    models = []
    for n_trees in N_TREES:
        parts = {"Spark: JVM, Arrow, worker": spark_s, **steps(n_trees, rows, arguments.repeat)}
        tell(f"{n_trees} trees: {parts}")
        models.append({"trees": n_trees, "seconds": parts})
    return {"batch_rows": BATCH_ROWS, "columns": len(FEATURES), "models": models}


def steps(n_trees: int, rows: pa.RecordBatch, repeat: int) -> dict[str, float]:
    """Seconds of each step of one batch, in their order."""
    path = flights_pipeline(n_trees)
    request = ScoringRequest.of(path, ENVIRONMENT, None, str(LICENSE), None, {}, no_uri, no_uri)
    executor = current_executor()
    plan = local_plan(request, executor)
    cast = cast_batch(rows, plan.wanted(), "rows").batch
    with Connection(plan, executor) as connection:

        def there_and_back() -> None:
            connection.send_batch(cast, 0)
            connection.receive_batch("rows")

        whole_s = median(there_and_back, repeat)
        connection.send_batch(cast, 0)
        answer = connection.receive_batch("rows")
    shape = PredictionShape.of(plan)
    worker = {
        "worker: cast": median(lambda: cast_batch(rows, plan.wanted(), "rows"), repeat),
        "worker: encode": median(lambda: encode(cast), repeat),
        "worker: check": median(lambda: checked(plan, shape, answer), repeat),
    }
    inside = in_the_scorer(path, encode(cast), repeat)
    known_s = sum(inside.values()) + worker["worker: encode"]
    return {
        "worker: cast": worker["worker: cast"],
        "worker: encode": worker["worker: encode"],
        "socket, and waiting": max(whole_s - known_s, 0.0),
        **inside,
        "worker: check": worker["worker: check"],
    }


def encode(batch: pa.RecordBatch) -> bytes:
    """A batch as it is sent."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def checked(plan: ScoringPlan, shape: PredictionShape, answer: pa.RecordBatch) -> pa.RecordBatch:
    """An answer as rows get it."""
    assert plan.described is not None
    return shape.of_answer(check_answer(answer, plan.described.output, answer.num_rows, "rows"))


def median(action: Callable[[], Any], repeat: int) -> float:
    """Median of an action's seconds, the first run not counted."""
    action()
    return statistics.median(took(action) for _ in range(repeat))


def in_the_scorer(path: Path, stream: bytes, repeat: int) -> dict[str, float]:
    """Seconds of the scorer's steps, by the sidecar's own functions in the pipeline's Python."""
    python, own = unpacked_python(ENVIRONMENT), fresh(WORK)
    pipeline = ScoringPipeline(path)
    for member in pipeline.members:
        if member.startswith("tmp/"):
            (own / member).parent.mkdir(parents=True, exist_ok=True)
            pipeline.extract_member(member, (own / member).parent)
    wheel = pipeline.extract_member(pipeline.wheel_name, own)
    (own / "batch.arrow").write_bytes(stream)
    script = str(Path(__file__).with_name("one_batch_worker.py"))
    sidecar = str(sidecar_source())
    found = subprocess.run(
        [str(python), script, sidecar, str(wheel), pipeline.package, "batch.arrow", str(repeat)],
        cwd=own,
        env=environment_of(python, own),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=600,
        text=True,
    )
    seconds: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return {f"scorer: {name}": taken_s for name, taken_s in seconds.items()}


if __name__ == "__main__":
    main()
