"""Twenty rows of five kinds that cannot be scored, among 300,000: found exactly, and what it costs.

The table job scores one table three times with the same pipeline: without bad rows and without a
quarantine; without bad rows and with one, which should cost nothing more; and with twenty bad rows
(raise, exit, segfault, hang, NaN) and a quarantine.  Ends with status 1 unless exactly these are
set aside and all others have the scores of the clean run, bit for bit.
"""

import argparse
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from direct import ENVIRONMENT, FOLDER, LICENSE, prepare_files
from exports import flights_pipeline
from program import Program, tell, took
from pyspark.sql import SparkSession
from session import N_CORES, start_spark
from tables import KEY, written_table

from dai_spark import score_table
from dai_spark.testing.scoring_package.fates import MARKS

N_FILES = 8
N_BAD = 20
WORK = FOLDER / "bad-rows"


def main() -> None:
    """Measure the three runs and write the result."""
    program = Program(__file__, __doc__, rows=300_000, repeat=1)
    program.parser.add_argument(
        "--batch-timeout-s", type=float, default=10.0, help="limit of a batch (default 10)"
    )
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Score the clean table and the marked one."""
    prepare_files()
    clean, files = written_table(arguments.rows, N_FILES)
    marked, bad = with_bad_rows(files)
    pipeline = flights_pipeline(100, fate="mixed_in_score")
    spark = start_spark(spark__sql__files__minPartitionNum=str(N_FILES))
    words = {"batch_timeout_s": arguments.batch_timeout_s, "nan": "bad"}
    quarantine = {"quarantine": f"parquet:{WORK / 'quarantine'}"}
    job(spark, pipeline, clean, "warm", **words)
    seconds = {
        "clean, no quarantine": took(lambda: job(spark, pipeline, clean, "clean", **words)),
        "clean, quarantine": took(
            lambda: job(spark, pipeline, clean, "ready", **words, **quarantine)
        ),
        "20 bad rows": took(lambda: job(spark, pipeline, marked, "marked", **words, **quarantine)),
    }
    spark.stop()
    check(bad)
    for name, taken_s in seconds.items():
        tell(f"{name}: {taken_s:.1f} s")
    return {
        "rows": arguments.rows,
        "bad_rows": N_BAD,
        "kinds": sorted(MARKS),
        "cores": N_CORES,
        "batch_timeout_s": arguments.batch_timeout_s,
        "seconds": seconds,
        "exactly_these": True,
    }


def with_bad_rows(files: list[Path]) -> tuple[Path, set[int]]:
    """The same table with marks in twenty rows, spread over it; their keys."""
    shutil.rmtree(WORK, ignore_errors=True)
    source = WORK / "source"
    source.mkdir(parents=True)
    bad: set[int] = set()
    texts = list(MARKS.values())
    per_file = -(-N_BAD // len(files))
    for file in files:
        table = pq.read_table(file)
        carriers = table.column("carrier").to_pylist()
        places = np.linspace(100, table.num_rows - 100, per_file).astype(int)
        for executor in places[: N_BAD - len(bad)]:
            carriers[executor] = texts[len(bad) % len(texts)]
            bad.add(table.column(KEY)[int(executor)].as_py())
        at = table.column_names.index("carrier")
        pq.write_table(table.set_column(at, "carrier", pa.array(carriers)), source / file.name)
    return source, bad


def job(spark: SparkSession, pipeline: Path, source: Path, name: str, **words: Any) -> None:
    """Run the table job into a table of its own."""
    score_table(
        pipeline,
        ENVIRONMENT,
        source=f"parquet:{source}",
        target=f"parquet:{WORK / name}",
        run_id=uuid.uuid4().hex,
        keep=[KEY],
        license_file=str(LICENSE),
        spark=spark,
        **words,
    )


def check(bad: set[int]) -> None:
    """End here unless exactly the bad rows are set aside and the others score as without them."""
    found = set(pq.read_table(WORK / "quarantine").column(KEY).to_pylist())
    if found != bad:
        raise SystemExit(f"Not the bad rows: {len(found - bad)} too many, {len(bad - found)} lost.")
    columns = [KEY, "prediction"]
    clean = pq.read_table(WORK / "clean", columns=columns).sort_by(KEY).to_pandas()
    marked = pq.read_table(WORK / "marked", columns=columns).sort_by(KEY).to_pandas()
    expected = clean[~clean[KEY].isin(bad)].reset_index(drop=True)
    if not expected.equals(marked.reset_index(drop=True)):
        raise SystemExit("The other rows have not the scores of the clean run.")


if __name__ == "__main__":
    main()
