"""Memory: n scorers of an executor against n loads, and worker and sidecar over growing tables.

- Three tasks score at once with a model that holds some 400 MB.  The proportional set size of the
  sidecar and its scorers (a shared page counts once in all) with `start_method="fork"`, where they
  share what was loaded, against `"spawn"`, where each loads for itself.
- Tables that grow twentyfold, in as many partitions as cores, so that partitions grow too: the
  largest resident size that any Python worker and any process of the sidecar ever had.
"""

import argparse
import functools
from typing import Any

from direct import ENVIRONMENT, LICENSE, prepare_files
from exports import flights_pipeline
from processes import Watch
from program import Program, tell
from pyspark.sql import DataFrame, SparkSession
from session import BATCH_ROWS, N_CORES, java_pid, start_spark, write_away
from tables import KEY, written_table

from dai_spark import score_dataframe

N_SCORERS = 3
FILES = {"env": ENVIRONMENT, "license_file": str(LICENSE)}
# Of the largest table.
SHARES = (1 / 20, 1 / 4, 1 / 2, 1)
BATCHES_OF_SCORER = 8


def main() -> None:
    """Measure both and write the result."""
    program = Program(
        __file__, __doc__, rows=20_000_000, repeat=1, rows_help="rows of the largest table"
    )
    program.parser.add_argument(
        "--model-mb", type=int, default=400, help="memory of the large model (default 400)"
    )
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure sharing, then growth."""
    prepare_files()
    return {
        "sharing": measure_sharing(arguments.model_mb * 1_000_000, arguments.repeat),
        "growth": measure_growth(arguments.rows),
    }


def measure_sharing(ballast_bytes: int, repeat: int) -> dict[str, Any]:
    """Proportional set size of three scorers at work, forked and each loaded for itself."""
    # Each batch pauses, so that all tasks are seen at work at one moment.
    pipeline = flights_pipeline(100, ballast_bytes=ballast_bytes, score_seconds=0.5)
    table, _ = written_table(N_SCORERS * BATCHES_OF_SCORER * BATCH_ROWS, N_SCORERS)
    found: dict[str, Any] = {"scorers": N_SCORERS, "model_bytes": ballast_bytes}
    for start_method in ("fork", "spawn"):
        seen = []
        for _ in range(repeat):
            spark = start_spark(f"local[{N_SCORERS}]", spark__sql__files__openCostInBytes="128m")
            frame = spark.read.parquet(str(table))
            with Watch(java_pid(spark)) as watch:
                write_away(
                    score_dataframe(frame, pipeline, keep=[KEY], start_method=start_method, **FILES)
                )
            spark.stop()
            # The sidecar itself is one more.
            if watch.n_scorers < N_SCORERS + 1:
                raise SystemExit(f"Only {watch.n_scorers - 1} scorers were at work at once.")
            seen.append(dict(watch))
        found[start_method] = seen
        tell(f"{start_method}: {seen[-1]['proportional_bytes'] / 1e6:,.0f} MB")
    smallest = {
        way: min(one["proportional_bytes"] for one in found[way]) for way in ("fork", "spawn")
    }
    found["fork_over_spawn"] = smallest["fork"] / smallest["spawn"]
    found["to_reach"] = 1 / N_SCORERS + 0.1
    return found


def measure_growth(most_rows: int) -> list[dict[str, Any]]:
    """Peak memory of worker and sidecar, each table scored in a session of its own."""
    pipeline = flights_pipeline(100)
    piece_rows = max(int(most_rows * SHARES[0]), N_CORES)
    table, _ = written_table(piece_rows, N_CORES)
    found = []
    for share in SHARES:
        n_pieces = max(1, round(most_rows * share / piece_rows))
        spark = start_spark()
        frame = repeated(spark, str(table), n_pieces)
        with Watch(java_pid(spark)) as watch:
            write_away(score_dataframe(frame, pipeline, keep=[KEY], **FILES))
        spark.stop()
        found.append({"rows": n_pieces * piece_rows, **dict(watch)})
        tell(
            f"{found[-1]['rows']:,} rows: worker {watch.worker_peak_bytes / 1e6:,.0f} MB, "
            f"sidecar {watch.scorer_peak_bytes / 1e6:,.0f} MB"
        )
    return found


def repeated(spark: SparkSession, table: str, times: int) -> Any:
    """The table several times over, in as many partitions as cores."""
    frames = [spark.read.parquet(table)] * times
    return functools.reduce(DataFrame.union, frames).coalesce(N_CORES)


if __name__ == "__main__":
    main()
