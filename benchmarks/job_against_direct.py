"""Rows a second of the table job against direct scoring of the same Parquet files, in one run.

Three ways through the same rows, each from Parquet to Parquet, in turn and repeated:

- direct: two processes of the pipeline's Python, no Spark;
- bare: Spark on two cores passes the same columns through a mapInArrow that scores nothing;
- job: Spark on two cores, `dai_spark.score_table`.

Loading is not counted in any.  The job cannot beat bare + direct, since it does the work of both.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from direct import (
    BUILD,
    ENVIRONMENT,
    LICENSE,
    PIPELINE,
    SOURCE,
    fresh,
    prepare_files,
    python_of_pipeline,
    score_directly,
)
from pyspark.sql import SparkSession

from dai_spark import ScoringPipeline, score_table

FOLDER = BUILD / "benchmark"
N_FILES = 16
N_CORES = 2


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="(default 2000000)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each way (default 3)")
    parser.add_argument("--batch-rows", type=int, default=10_000, help="(default 10000)")
    arguments = parser.parse_args()
    prepare_files()
    source = FOLDER / f"flights-{arguments.rows}"
    files = write_source(source, arguments.rows)
    spark = start_spark(arguments.batch_rows)
    job(spark, source, dry_run=True)

    seconds: dict[str, list[float]] = {"direct": [], "bare": [], "job": []}
    for number in range(arguments.repeat):
        said = f"run {number + 1} of {arguments.repeat}:"
        seconds["direct"].append(
            score_directly(files, FOLDER / "direct", N_CORES, arguments.batch_rows)
        )
        seconds["bare"].append(bare(spark, source))
        seconds["job"].append(job(spark, source))
        said += "".join(f"  {way} {taken[-1]:.2f} s" for way, taken in seconds.items())
        print(said, file=sys.stderr, flush=True)
    spark.stop()
    check_equal()
    print_table(arguments, seconds)


def write_source(folder: Path, n_rows: int) -> list[Path]:
    """Write the flights as often as it takes, and return the files."""
    files = [folder / f"part-{number:05}.parquet" for number in range(N_FILES)]
    if not all(file.exists() for file in files):
        fresh(folder)
        flights = pq.read_table(SOURCE)
        repeated = pa.concat_tables([flights] * (n_rows // flights.num_rows + 1)).slice(0, n_rows)
        ids = repeated.schema.get_field_index("flight_id")
        repeated = repeated.set_column(ids, "flight_id", pa.array(range(n_rows)))
        n_rows_of_file = -(-n_rows // N_FILES)
        for number, file in enumerate(files):
            pq.write_table(repeated.slice(number * n_rows_of_file, n_rows_of_file), file)
    return files


def start_spark(batch_rows: int) -> SparkSession:
    """Start Spark on as many cores as direct scoring has processes."""
    spark = (
        SparkSession.builder.master(f"local[{N_CORES}]")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(batch_rows))
        .config("spark.sql.files.minPartitionNum", str(N_FILES))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def job(spark: SparkSession, source: Path, *, dry_run: bool = False) -> float:
    """Run the table job and return the seconds of its scoring stage; a dry run loads and checks."""
    report = score_table(
        PIPELINE,
        ENVIRONMENT,
        source=f"parquet:{source}",
        target=f"parquet:{FOLDER / 'job'}",
        mode="overwrite",
        keep=["flight_id"],
        license_file=str(LICENSE),
        dry_run=dry_run,
        spark=spark,
    )
    return report.scoring_s


def bare(spark: SparkSession, source: Path) -> float:
    """Pass the job's columns through a mapInArrow that scores nothing; return the seconds."""
    names = [column.name for column in ScoringPipeline(PIPELINE).columns]

    def pass_through(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            zeros = pa.array(np.zeros(batch.num_rows, np.float32))
            nothing = pa.StructArray.from_arrays([zeros, zeros], ["late.no", "late.yes"])
            yield pa.RecordBatch.from_arrays(
                [batch.column("flight_id"), nothing], ["flight_id", "prediction"]
            )

    schema = "flight_id bigint, prediction struct<`late.no`: float, `late.yes`: float>"
    begun = time.monotonic()
    (
        spark.read.parquet(str(source))
        .select("flight_id", *names)
        .mapInArrow(pass_through, schema)
        .write.mode("overwrite")
        .parquet(str(FOLDER / "bare"))
    )
    return time.monotonic() - begun


def check_equal() -> None:
    """End here if the two ways' scores differ in one bit: then their times mean nothing."""
    directly = pq.read_table(FOLDER / "direct").sort_by("flight_id")
    jobs = pq.read_table(FOLDER / "job").sort_by("flight_id").flatten()
    jobs = jobs.rename_columns([name.removeprefix("prediction.") for name in jobs.column_names])
    if not directly.equals(jobs.cast(directly.schema)):
        sys.exit("The job's scores are not those of direct scoring.")


def print_table(arguments: argparse.Namespace, seconds: dict[str, list[float]]) -> None:
    """Print medians and their ratios."""
    median = {way: statistics.median(taken) for way, taken in seconds.items()}
    python = ".".join(str(number) for number in sys.version_info[:2])
    print(
        f"{arguments.rows:,} rows in batches of {arguments.batch_rows:,}, {N_CORES} cores, "
        f"pipeline on Python {python_of_pipeline()}, Spark on Python {python}; "
        f"median of {arguments.repeat}\n"
    )
    print(f"{'':34}{'seconds':>9}{'rows/s':>11}")
    rows = {
        "direct": f"direct, {N_CORES} processes",
        "bare": "bare mapInArrow, scores nothing",
        "job": "table job, scoring stage",
    }
    for way, name in rows.items():
        print(f"{name:34}{median[way]:9.2f}{arguments.rows / median[way]:11,.0f}")
    floor_s = median["bare"] + median["direct"]
    print(f"\n{'time of job / (bare + direct)':34}{median['job'] / floor_s:9.2f}  (at most 1.10)")
    print(f"{'rows/s of job / direct':34}{median['direct'] / median['job']:9.2f}")
    print("\nThe scores of job and direct are equal, bit for bit.")


if __name__ == "__main__":
    main()
