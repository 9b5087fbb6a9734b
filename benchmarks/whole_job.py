"""The whole table job on a large table, against copying the table and against scoring alone.

- copy: Spark reads the table and writes it, with no scoring;
- direct: as many processes of the pipeline's Python as cores, with no Spark;
- scoring: `score_dataframe` over the same rows, whose result is computed and thrown away; and
  written as Parquet, with all columns brought to Python and back, with tasks that read the files
  themselves, and with kept columns left in the JVM by an Arrow UDF;
- job: `score_table` with all columns kept, the check of its key, lineage, report and commit; and
  with each of these left out.

The job does the work of copying and of scoring, so it is held against their sum.  Time wavers on a
busy machine by more than most parts take, so each way also has its CPU-seconds, by the kind of
process, and what its stages took, by Spark's event log.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from cpu_seconds import cpu_of, cpu_of_children
from direct import FOLDER, fresh, prepare_files, score_directly
from event_log import settings, stages
from exports import flights_pipeline
from job_ways import FILES, PARTS, TARGETS, job, written_by_map, written_by_udf
from program import Program, tell
from session import BATCH_ROWS, N_CORES, java_pid, start_spark, write_away, write_parquet
from tables import KEY, written_table

from dai_spark import score_dataframe

N_TREES = 100
N_FILES = 64
GOAL = 1.1


def main() -> None:
    """Measure all ways and write the result."""
    program = Program(__file__, __doc__, rows=20_000_000, repeat=1)
    program.parser.add_argument(
        "--files", type=int, default=N_FILES, help=f"files of the table (default {N_FILES})"
    )
    program.parser.add_argument("--only", nargs="*", help="measure these ways alone")
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run each way once to warm up, on a small part of the table, and then in turn."""
    prepare_files()
    source, files = written_table(arguments.rows, arguments.files)
    pipeline = flights_pipeline(N_TREES)
    events = fresh(FOLDER / "events")
    spark = start_spark(spark__sql__files__minPartitionNum=str(arguments.files), **settings(events))
    frame, part = spark.read.parquet(str(source)), spark.read.parquet(str(files[0]))
    rows = {}

    def ways_over(path: Path, over: Any) -> dict[str, Any]:
        def run(name: str) -> Any:
            rows[name] = job(spark, pipeline, path, name.replace(" ", "-"), PARTS[name]).n_rows

        scored = score_dataframe(over, pipeline, keep=[KEY], read="spark", **FILES)
        return {
            "copy": lambda: write_parquet(over, TARGETS / "copy"),
            "scoring": lambda: write_away(scored),
            "scored and written": written_by_map(over, pipeline, "spark"),
            "the same, files read by tasks": written_by_map(over, pipeline, "files"),
            "the same, kept columns in the JVM": written_by_udf(over, pipeline),
            **{name: lambda name=name: run(name) for name in PARTS},
        }

    warm, ways = ways_over(files[0], part), ways_over(source, frame)
    if arguments.only:
        ways = {name: ways[name] for name in arguments.only if name in ways}
    for name in ways:
        warm[name]()
    pid = java_pid(spark)
    found: dict[str, list[dict[str, Any]]] = {"direct": []}
    for number in range(arguments.repeat):
        found["direct"].append(direct_cpu(files, pipeline))
        for name, action in ways.items():
            begun_ms = time.time() * 1e3
            figures: dict[str, Any] = cpu_of(action, pid)
            figures["stages"] = stages(events, begun_ms, time.time() * 1e3)
            found.setdefault(name, []).append(figures)
            tell(f"run {number + 1}: {name} {figures['sum']:.1f} CPU-s, {figures['wall']:.1f} s")
    if "job" in ways:
        check(spark, rows, arguments.rows)
    spark.stop()
    best = {name: min(runs, key=lambda run: run["sum"]) for name, runs in found.items()}
    return {
        "rows": arguments.rows,
        "trees": N_TREES,
        "cores": N_CORES,
        "goal": GOAL,
        "ways": best,
        "all_cpu_s": {name: [run["sum"] for run in runs] for name, runs in found.items()},
        "over_copy_and_direct": over(best, "direct"),
        "over_copy_and_scoring": over(best, "scoring"),
    }


def direct_cpu(files: list[Path], pipeline: Path) -> dict[str, float]:
    """Direct scoring's CPU-seconds, without what the processes take to load."""
    seconds = []

    def cpu_over(share: list[Path]) -> dict[str, float]:
        def action() -> None:
            target = TARGETS / "direct"
            seconds.append(score_directly(share, target, N_CORES, BATCH_ROWS, pipeline))

        return cpu_of_children(action)

    scored, loaded = cpu_over(files), cpu_over([])
    return {**{name: scored[name] - loaded[name] for name in scored}, "wall": seconds[0]}


def over(best: dict[str, Any], scoring: str) -> dict[str, dict[str, float]]:
    """The job against copying and scoring, in CPU-seconds and by the clock."""
    if not {"job", "copy", scoring} <= set(best):
        return {}
    return {
        name: {
            kind: best[name][kind] / (best["copy"][kind] + best[scoring][kind])
            for kind in ("sum", "wall")
        }
        for name in PARTS
        if name in best
    }


def check(spark: Any, rows: dict[str, Any], n_rows: int) -> None:
    """End the program where a row is lost or doubled."""
    n_written = spark.read.parquet(str(TARGETS / "job")).count()
    if n_written != n_rows or set(rows.values()) != {n_rows}:
        raise SystemExit(f"{n_written} rows were written, and {rows} counted, of {n_rows}.")


if __name__ == "__main__":
    main()
