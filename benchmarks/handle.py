"""What a call of `open_scorer`'s handle costs: one row when warm, and many threads at once.

*Direct* is `score_batch` of the same rows in the pipeline's own Python, timed there, with a frame
that is made already.  Both ways take turns, call by call and round by round.  While many threads
score, another process would be in their way, so this one counts the scorers now and then.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from direct import ENVIRONMENT, FOLDER, LICENSE, environment_of, fresh, prepare_files
from exports import flights_pipeline
from one_batch import encode, in_the_scorer, median
from program import Program, tell, took
from tables import FEATURES, joined_flights

from dai_spark import Scorer, ScoringPipeline, open_scorer, score_pandas
from dai_spark.local.row_source import FrameRows
from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.schema.cast import cast_batch
from dai_spark.schema.prediction import PredictionShape, check_answer

N_TREES = 100
N_ROWS = 50
N_CALLS, N_THREADS = 96, 16
WORK = FOLDER / "handle"


def main() -> None:
    """Measure and write the result."""
    Program(__file__, __doc__, rows=300, repeat=7, rows_help="calls of one row, of each way").run(
        measure
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One row at a time, then many threads, then where the time of one row goes."""
    prepare_files()
    cores = len(os.sched_getaffinity(0))
    path = flights_pipeline(N_TREES)
    table = joined_flights()[list(FEATURES)].iloc[:: len(joined_flights()) // N_ROWS]
    rows = [table.iloc[[i]] for i in range(N_ROWS)]
    license = LICENSE.read_text()
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(direct_process(path, table, i)) for i in range(cores)]
        direct = every[0]
        scorer = stack.enter_context(open_scorer(path, ENVIRONMENT, license=license))

        def to_pandas(row: pd.DataFrame) -> None:
            score_pandas(row, path, ENVIRONMENT, license=license)

        ways: dict[str, Callable[[pd.DataFrame], Any]] = {
            "score": scorer.score,
            "score, labels": lambda row: scorer.score(row, labels=True),
            "score, an Arrow table": scored_as_arrow(scorer),
            "score, two kinds of options in turn": in_two_ways(scorer),
            "score_async": in_a_loop(scorer),
            "score_pandas": to_pandas,
        }
        one_row = one_row_ms(direct, ways, rows, arguments.rows)
        tell(f"one row: {one_row}")
        many = many_calls(every, scorer, rows, arguments.repeat)
        tell(f"{N_CALLS} calls from {N_THREADS} threads: {many}")
        parts = where_it_goes(scorer, path, rows[0], arguments.rows)
    direct_ms, handle_ms = one_row["direct"]["p50_ms"], one_row["score"]["p50_ms"]
    return {
        "trees": N_TREES,
        "columns": len(FEATURES),
        "cores": cores,
        "one_row": one_row,
        "over_direct_ms": handle_ms - direct_ms,
        "to_reach_over_direct_ms": 3.0,
        "many": {**many, "calls": N_CALLS, "threads": N_THREADS},
        "over_direct_rate": many["handle_calls_per_s"] / (cores * many["direct_calls_per_s"]),
        "to_reach_rate": 0.9,
        "over_parallel_rate": many["handle_calls_per_s"] / many["parallel_calls_per_s"],
        "parts_ms": parts,
    }


@contextlib.contextmanager
def direct_process(
    path: Path, table: pd.DataFrame, number: int, rows_per_call: int = 1
) -> Iterator[Callable[[int], list[float]]]:
    """A process of the pipeline's own Python: from a number of calls to the seconds of each."""
    python, own = unpacked_python(ENVIRONMENT), fresh(WORK / str(number))
    pipeline = ScoringPipeline(path)
    for member in pipeline.members:
        if member.startswith("tmp/"):
            (own / member).parent.mkdir(parents=True, exist_ok=True)
            pipeline.extract_member(member, (own / member).parent)
    wheel = pipeline.extract_member(pipeline.wheel_name, own)
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), own / "rows.parquet")
    script = str(Path(__file__).with_name("handle_worker.py"))
    process = subprocess.Popen(
        [str(python), script, str(wheel), pipeline.package, "rows.parquet", str(rows_per_call)],
        cwd=own,
        env=environment_of(python, own),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def call(n_calls: int) -> list[float]:
        process.stdin.write(f"{n_calls}\n")
        process.stdin.flush()
        seconds: list[float] = json.loads(process.stdout.readline())
        return seconds

    try:
        assert json.loads(process.stdout.readline()) == "ready"
        yield call
    finally:
        process.communicate(timeout=60)


def scored_as_arrow(scorer: Scorer) -> Callable[[pd.DataFrame], Any]:
    """Score a row that is given as an Arrow table, made before."""
    known: dict[int, pa.Table] = {}

    def call(row: pd.DataFrame) -> Any:
        return scorer.score(known[id(row)])

    def prepare(rows: list[pd.DataFrame]) -> None:
        known.update({id(row): pa.Table.from_pandas(row, preserve_index=False) for row in rows})

    call.prepare = prepare
    return call


def in_two_ways(scorer: Scorer) -> Callable[[pd.DataFrame], Any]:
    """Ask for the margin at every second call."""
    n_calls = 0

    def call(row: pd.DataFrame) -> Any:
        nonlocal n_calls
        n_calls += 1
        return scorer.score(row, margin=n_calls % 2 == 0)

    return call


def in_a_loop(scorer: Scorer) -> Callable[[pd.DataFrame], Any]:
    """Score a row by an event loop that runs anyway."""
    loop = asyncio.new_event_loop()
    return lambda row: loop.run_until_complete(scorer.score_async(row))


def one_row_ms(
    direct: Callable[[int], list[float]],
    ways: dict[str, Callable[[pd.DataFrame], Any]],
    rows: list[pd.DataFrame],
    n_calls: int,
) -> dict[str, dict[str, float]]:
    """Median and 99th percentile of calls of one row, the ways in turn."""
    seconds: dict[str, list[float]] = {"direct": [], **{way: [] for way in ways}}
    for call in ways.values():
        if hasattr(call, "prepare"):
            call.prepare(rows)
    for number in range(-20, n_calls):
        row = rows[number % len(rows)]
        taken = {"direct": direct(1)[0]}
        for way, call in ways.items():
            begun = time.perf_counter()
            call(row)
            taken[way] = time.perf_counter() - begun
        if number >= 0:
            for way, taken_s in taken.items():
                seconds[way].append(taken_s)
    return {
        way: {
            "p50_ms": statistics.median(found) * 1000,
            "p99_ms": statistics.quantiles(found, n=100)[98] * 1000,
        }
        for way, found in seconds.items()
    }


def many_calls(
    every: list[Callable[[int], list[float]]],
    scorer: Scorer,
    rows: list[pd.DataFrame],
    repeat: int,
) -> dict[str, Any]:
    """Calls a second of one direct process alone, of one a core, and of many threads."""
    calls = [rows[number % len(rows)] for number in range(N_CALLS)]
    direct_s, parallel_s, handle_s = [], [], []
    share = N_CALLS // len(every)
    with ThreadPoolExecutor(N_THREADS) as threads, Watch(scorer) as watch:
        for number in range(repeat + 1):
            taken_s = sum(every[0](share)) * N_CALLS / share
            parallel_taken_s = took(lambda: list(threads.map(lambda one: one(share), every)))
            handle_taken_s = took(lambda: list(threads.map(scorer.score, calls)))
            if number:
                direct_s.append(taken_s)
                parallel_s.append(parallel_taken_s)
                handle_s.append(handle_taken_s)
    return {
        "direct_calls_per_s": N_CALLS / statistics.median(direct_s),
        "parallel_calls_per_s": N_CALLS / statistics.median(parallel_s),
        "handle_calls_per_s": N_CALLS / statistics.median(handle_s),
        "rounds_over_parallel": [a / b for a, b in zip(parallel_s, handle_s)],
        "most_scorers": watch.most,
    }


class Watch:
    """The most scorers that a handle had at a time, while a block runs."""

    def __init__(self, scorer: Scorer, every_s: float = 0.02) -> None:
        (ready,) = scorer._pool.executor.folder.glob(f"{scorer.key[:20]}/ready.json")
        self._sidecar = json.loads(ready.read_text())["pid"]
        self._every_s = every_s
        self._done = threading.Event()
        self.most = 0

    def _look(self) -> None:
        while not self._done.wait(self._every_s):
            path = Path(f"/proc/{self._sidecar}/task/{self._sidecar}/children")
            # One child writes the log.
            self.most = max(self.most, len(path.read_text().split()) - 1)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()


def where_it_goes(scorer: Scorer, path: Path, row: pd.DataFrame, repeat: int) -> dict[str, float]:
    """Milliseconds of each step of a call of one row."""
    plan = scorer._asked_for(scorer._plan.options).plan
    wanted = plan.wanted()
    shape = PredictionShape.of(plan)
    (batch,) = FrameRows(row).batches(wanted, plan.options)
    cast = cast_batch(batch, wanted, "rows").batch
    answer = pa.RecordBatch.from_pandas(scorer.score(row), preserve_index=False)

    def check() -> None:
        shape.of_answer(check_answer(answer, plan.described.output, 1, "rows"))

    inside = in_the_scorer(path, encode(cast), repeat)
    parts = {
        "caller: frame to Arrow": median(
            lambda: list(FrameRows(row).batches(wanted, plan.options)), repeat
        ),
        "caller: cast": median(lambda: cast_batch(batch, wanted, "rows"), repeat),
        "caller: encode": median(lambda: encode(cast), repeat),
        **inside,
        "caller: check": median(check, repeat),
        "caller: Arrow to frame": median(
            lambda: FrameRows(row).answer([answer], answer.schema), repeat
        ),
    }
    whole_s = median(lambda: scorer.score(row), repeat)
    parts["options, pool, socket, waiting"] = max(0.0, whole_s - sum(parts.values()))
    return {name: seconds * 1000 for name, seconds in parts.items()}


if __name__ == "__main__":
    main()
