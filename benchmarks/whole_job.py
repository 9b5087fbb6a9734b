"""The whole table job on a large table, against copying the table and against scoring alone.

- copy: Spark reads the table and writes it, with no scoring;
- scoring: `score_dataframe` over the same rows, whose result is computed and thrown away;
- job: `score_table` with all columns kept, the check of its key, lineage, report and commit.

The job does the work of both others, so its time is held against their sum.
"""

import argparse
import uuid
from typing import Any

from direct import ENVIRONMENT, FOLDER, LICENSE, prepare_files
from exports import flights_pipeline
from program import Program, in_turn, medians, took
from session import N_CORES, start_spark, write_away, write_parquet
from tables import KEY, written_table

from dai_spark import score_dataframe, score_table

N_TREES = 100
N_FILES = 64
TARGETS = FOLDER / "whole-job"
FILES = {"env": ENVIRONMENT, "license_file": str(LICENSE)}


def main() -> None:
    """Measure the three and write the result."""
    Program(__file__, __doc__, rows=20_000_000, repeat=1).run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Score a small part of the table to warm up, then run the three in turn."""
    prepare_files()
    source, files = written_table(arguments.rows, N_FILES)
    pipeline = flights_pipeline(N_TREES)
    spark = start_spark(spark__sql__files__minPartitionNum=str(N_FILES))
    frame = spark.read.parquet(str(source))
    reports = []

    def job(path: Any, name: str) -> None:
        report = score_table(
            pipeline,
            source=f"parquet:{path}",
            target=f"parquet:{TARGETS / name}",
            mode="overwrite",
            run_id=uuid.uuid4().hex,
            key=[KEY],
            spark=spark,
            **FILES,
        )
        reports.append(report)

    job(files[0], "warm")
    seconds = in_turn(
        {
            "copy": lambda: took(lambda: write_parquet(frame, TARGETS / "copy")),
            "scoring": lambda: took(
                lambda: write_away(score_dataframe(frame, pipeline, keep=[KEY], **FILES))
            ),
            "job": lambda: took(lambda: job(source, "job")),
        },
        arguments.repeat,
        f"{arguments.rows:,} rows",
    )
    n_written = spark.read.parquet(str(TARGETS / "job")).count()
    spark.stop()
    if n_written != arguments.rows or reports[-1].n_rows != n_written:
        raise SystemExit(f"{n_written} rows were written of {arguments.rows}.")
    median = medians(seconds)
    return {
        "rows": arguments.rows,
        "trees": N_TREES,
        "cores": N_CORES,
        "seconds": seconds,
        "median_s": median,
        "rows_per_s": {way: arguments.rows / taken_s for way, taken_s in median.items()},
        "job_over_copy_and_scoring": median["job"] / (median["copy"] + median["scoring"]),
    }


if __name__ == "__main__":
    main()
