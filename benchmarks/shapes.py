"""Cost per row from 10 to 5,000 columns, and cost per task from 1 to 4,000 partitions.

- Columns: tables of doubles, each wider than the last.  The time of `score_dataframe` less that of
  a bare mapInArrow over the same columns is what scoring costs; it should grow with a row's bytes.
  Direct scoring of the same files tells how much of it is the pipeline's own.
- Partitions: one small table in more and more partitions.  The same difference, divided by the
  number of tasks, is what a task costs: a connection, a scorer that is handed on, and the
  pipeline's own call, which is measured by direct scoring of as many batches.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from bare import bare_frame
from direct import ENVIRONMENT, FOLDER, LICENSE, fresh, prepare_files, score_directly
from exports import flights_pipeline
from program import Program, in_turn, medians, tell, took
from pyspark.sql import SparkSession
from session import N_CORES, start_spark, write_away
from tables import FEATURES, KEY, written_table

from dai_spark import score_dataframe
from dai_spark.driver.progress.messages import log_message
from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.testing import build_export

FILES = {"env": ENVIRONMENT, "license_file": str(LICENSE)}
TRAINING_ROWS = 2_000
# Of 5,000 doubles a batch of Spark's usual 10,000 rows would have 400 MB.
BATCH_ROWS = 2_000
SMALL_ROWS = 40_000
N_TREES = 20


def main() -> None:
    """Measure both and write the result."""
    program = Program(
        __file__, __doc__, rows=2_000_000, repeat=3, rows_help="rows of the narrowest table"
    )
    program.parser.add_argument(
        "--columns", type=int, nargs="+", default=[10, 30, 100, 300, 1000, 2000, 5000]
    )
    program.parser.add_argument(
        "--partitions", type=int, nargs="+", default=[1, 10, 100, 1000, 4000]
    )
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure columns, then partitions."""
    prepare_files()
    spark = start_spark(batch_rows=BATCH_ROWS)
    found = {
        "columns": [measure_columns(spark, n, arguments) for n in arguments.columns],
        "partitions": measure_partitions(spark, arguments),
        "batch_rows": BATCH_ROWS,
        "trees": N_TREES,
        "cores": N_CORES,
    }
    spark.stop()
    return found


def measure_columns(
    spark: SparkSession, n_columns: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """One width: seconds bare, direct and scored, and what scoring costs a row."""
    # As many values in each table, but no fewer rows than can be measured.
    n_rows = max(arguments.rows * 10 // n_columns, arguments.rows // 100)
    table = wide_table(n_columns, n_rows)
    pipeline = wide_pipeline(n_columns)
    frame = spark.read.parquet(str(table))
    names = [name for name in frame.columns if name != KEY]
    # Built before it is timed: Spark's own analysis of thousands of columns takes seconds.
    bare = bare_frame(frame, [KEY], names)
    scored = score_dataframe(frame, pipeline, keep=[KEY], on_message=log_message, **FILES)
    seconds = in_turn(
        {
            "bare": lambda: took(lambda: write_away(bare)),
            "scored": lambda: took(lambda: write_away(scored)),
            "direct": lambda: score_directly(
                sorted(table.glob("*.parquet")), FOLDER / "direct", N_CORES, BATCH_ROWS, pipeline
            ),
        },
        # One more, since the first run of each plan compiles it.
        arguments.repeat + 1,
        f"{n_columns} columns, {n_rows:,} rows",
    )
    median = medians({way: taken[1:] for way, taken in seconds.items()})
    row_bytes = 8 * n_columns
    over_bare_s = median["scored"] - median["bare"]
    return {
        "columns": n_columns,
        "rows": n_rows,
        "row_bytes": row_bytes,
        "seconds": seconds,
        "median_s": median,
        "over_bare_us_per_row": 1e6 * over_bare_s / n_rows,
        "over_bare_ns_per_byte": 1e9 * over_bare_s / n_rows / row_bytes,
        "direct_us_per_row": 1e6 * median["direct"] / n_rows,
        "time_over_bare_and_direct": median["scored"] / (median["bare"] + median["direct"]),
    }


def measure_partitions(spark: SparkSession, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The small table in ever more partitions: seconds, and milliseconds a task over bare."""
    n_rows = min(SMALL_ROWS, arguments.rows)
    table, files = written_table(n_rows, 1)
    pipeline = flights_pipeline(100)
    found = []
    for n_partitions in arguments.partitions:
        frame = spark.read.parquet(str(table)).repartition(n_partitions).cache()
        frame.count()
        bare = bare_frame(frame, [KEY], FEATURES)
        scored = score_dataframe(frame, pipeline, keep=[KEY], on_message=log_message, **FILES)
        seconds = in_turn(
            {
                "bare": lambda bare=bare: took(lambda: write_away(bare)),
                "scored": lambda scored=scored: took(lambda: write_away(scored)),
            },
            arguments.repeat,
            f"{n_partitions} partitions",
        )
        frame.unpersist()
        median = medians(seconds)
        batch_rows = -(-n_rows // n_partitions)
        direct_s = score_directly(files, FOLDER / "direct", 1, batch_rows, pipeline)
        found.append(
            {
                "partitions": n_partitions,
                "rows": n_rows,
                "seconds": seconds,
                "median_s": median,
                "over_bare_ms_per_task": 1e3
                * (median["scored"] - median["bare"])
                * min(N_CORES, n_partitions)
                / n_partitions,
                "direct_ms_per_batch": 1e3 * direct_s / -(-n_rows // batch_rows),
            }
        )
    return found


def wide_block(n_columns: int, n_rows: int) -> pd.DataFrame:
    """Rows of random doubles, the same in every run."""
    values = np.random.default_rng(n_columns).normal(size=(n_rows, n_columns))
    return pd.DataFrame(values, columns=[f"x{i:04}" for i in range(n_columns)])


def wide_table(n_columns: int, n_rows: int) -> Path:
    """Write a table of one block of rows again and again; return its folder."""
    folder = FOLDER / "tables" / f"doubles-{n_columns}-by-{n_rows}"
    block = pa.Table.from_pandas(wide_block(n_columns, BATCH_ROWS), preserve_index=False)
    if not (folder / "_SUCCESS").exists():
        fresh(folder)
        n_rows_of_file = -(-n_rows // (2 * N_CORES))
        for start in range(0, n_rows, n_rows_of_file):
            end = min(start + n_rows_of_file, n_rows)
            with pq.ParquetWriter(
                folder / f"part-{start:09}.parquet",
                block.append_column(KEY, pa.array(range(BATCH_ROWS), pa.int64())).schema,
            ) as writer:
                for first in range(start, end, BATCH_ROWS):
                    n = min(BATCH_ROWS, end - first)
                    keys = pa.array(range(first, first + n), pa.int64())
                    writer.write_table(block.slice(0, n).append_column(KEY, keys))
        (folder / "_SUCCESS").touch()
    return folder


def wide_pipeline(n_columns: int) -> Path:
    """Build a pipeline that reads all columns of a wide table, unless it lies there already."""
    name = hashlib.sha256(f"{n_columns} {N_TREES} {TRAINING_ROWS}".encode()).hexdigest()[:10]
    path = FOLDER / "exports" / f"doubles-{n_columns}-columns-{name}.zip"
    if not path.exists():
        tell(f"training {N_TREES} trees on {n_columns:,} columns")
        rows = wide_block(n_columns, TRAINING_ROWS)
        # The outputs are then named as those of the flights, which the bare way gives.
        late = np.where(rows["x0000"] + rows["x0001"] > 0, "yes", "no")
        rows = pd.concat([rows, pd.Series(late, name="late")], axis=1)
        build_export(
            path,
            rows,
            "late",
            kind="binomial",
            python=unpacked_python(ENVIRONMENT),
            n_trees=N_TREES,
            timeout_s=1800,
        )
    return path


if __name__ == "__main__":
    main()
