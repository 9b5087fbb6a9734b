"""A MERGE into Delta and a run with a quarantine, each against what it cannot do without.

- copy: Spark reads the table and writes it, with no scoring;
- direct: as many processes of the pipeline's Python as cores, with no Spark;
- merge: rows that are scored already, in Parquet, by Spark's own MERGE into a Delta table that
  holds a row for each of them; and the job in mode merge, which scores them, into the same table;
- quarantine: the job with twenty rows among all of which the pipeline raises, into Parquet, and
  the same without bad rows.

CPU-seconds of all processes, since the clock wavers with what else the machine does.
"""

import argparse
import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cpu_seconds import cpu_of
from direct import FOLDER, ROOT, fresh, prepare_files
from exports import flights_pipeline
from job_ways import TARGETS, job
from program import Program, tell
from pyspark.sql import SparkSession
from session import N_CORES, java_pid, start_spark, write_parquet
from tables import KEY, written_table
from whole_job import direct_cpu

from dai_spark.testing.scoring_package.fates import MARKS

N_TREES = 100
N_FILES = 16
N_BAD = 20
GOAL = 1.1
WORK = FOLDER / "job-floors"


def main() -> None:
    """Measure all ways and write the result."""
    program = Program(__file__, __doc__, rows=2_000_000, repeat=1)
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run each way once to warm up, on one file of the table, and then on all of it."""
    prepare_files()
    source, files = written_table(arguments.rows, N_FILES)
    marked = with_bad_rows(files)
    pipeline = flights_pipeline(N_TREES, fate="mixed_in_score")
    fresh(WORK)
    spark = start_spark(**lakehouse_settings(), spark__sql__files__minPartitionNum=str(N_FILES))
    pid = java_pid(spark)
    for name, action in ways(spark, pipeline, files[0], marked / files[0].name).items():
        tell(f"warming up: {name}")
        action()
    whole = ways(spark, pipeline, source, marked)
    found: dict[str, Any] = {"direct": []}
    for _ in range(arguments.repeat):
        found["direct"].append(direct_cpu(files, pipeline))
        for name, action in whole.items():
            figures = cpu_of(action, pid)
            found.setdefault(name, []).append(figures)
            tell(f"{name}: {figures['sum']:.1f} CPU-s, {figures['wall']:.1f} s")
    check(spark, arguments.rows)
    spark.stop()
    best = {name: min(runs, key=lambda run: run["sum"]) for name, runs in found.items()}
    return {
        "rows": arguments.rows,
        "bad_rows": N_BAD,
        "trees": N_TREES,
        "cores": N_CORES,
        "goal": GOAL,
        "ways": best,
        "over_floor": {
            "merge": over(best, "merge", "Spark's own MERGE"),
            "quarantine, no bad row": over(best, "quarantine, no bad row", "copy"),
            "quarantine": over(best, "quarantine", "copy"),
        },
    }


def ways(spark: SparkSession, pipeline: Path, source: Path, marked: Path) -> dict[str, Any]:
    """The actions, in the order in which one needs what another has written."""
    table = f"delta:{WORK / 'merged'}"
    quarantine = {"quarantine": f"parquet:{WORK / 'quarantine'}"}

    def set_apart() -> None:
        shutil.rmtree(WORK / "quarantine", ignore_errors=True)
        job(spark, pipeline, marked, "floors-marked", **quarantine)

    def scored() -> None:
        job(spark, pipeline, source, "floors-scored")
        shutil.rmtree(WORK / "merged", ignore_errors=True)
        spark.read.parquet(str(TARGETS / "floors-scored")).write.format("delta").save(
            str(WORK / "merged")
        )

    def merged_by_spark() -> None:
        spark.sql(
            f"MERGE INTO delta.`{WORK / 'merged'}` AS t "
            f"USING parquet.`{TARGETS / 'floors-scored'}` AS s ON t.{KEY} = s.{KEY} "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        ).collect()

    return {
        "copy": lambda: write_parquet(spark.read.parquet(str(source)), TARGETS / "copy"),
        "job": scored,
        "Spark's own MERGE": merged_by_spark,
        "merge": lambda: job(spark, pipeline, source, "", mode="merge", target=table),
        "quarantine, no bad row": lambda: job(
            spark, pipeline, source, "floors-clean", **quarantine
        ),
        "quarantine": set_apart,
    }


def over(best: dict[str, Any], name: str, floor: str) -> dict[str, float]:
    """A way against direct scoring and what else it cannot do without."""
    return {
        kind: best[name][kind] / (best["direct"][kind] + best[floor][kind])
        for kind in ("sum", "wall")
    }


def with_bad_rows(files: list[Path]) -> Path:
    """The same table with marks on which the pipeline raises, spread over it."""
    folder = fresh(FOLDER / "tables" / f"raising-{len(files)}")
    for number, file in enumerate(files):
        table = pq.read_table(file)
        carriers = table.column("carrier").to_pylist()
        n_here = N_BAD // len(files) + (number < N_BAD % len(files))
        for row in np.linspace(100, table.num_rows - 100, n_here).astype(int):
            carriers[int(row)] = MARKS["raise_in_score"]
        at = table.column_names.index("carrier")
        pq.write_table(table.set_column(at, "carrier", pa.array(carriers)), folder / file.name)
    return folder


def lakehouse_settings() -> dict[str, str]:
    """What the tests' sessions have for Delta."""
    sys.path.append(str(ROOT / "tests"))
    found = importlib.import_module("lakehouse").settings(WORK)
    return {name.replace(".", "__"): value for name, value in found.items()}


def check(spark: SparkSession, n_rows: int) -> None:
    """End the program where a row is lost or doubled."""
    merged = spark.read.format("delta").load(str(WORK / "merged"))
    found = {
        "merged": (merged.count(), merged.select(KEY).distinct().count()),
        "good": spark.read.parquet(str(TARGETS / "floors-marked")).count(),
        "bad": spark.read.parquet(str(WORK / "quarantine")).select(KEY).distinct().count(),
    }
    if found != {"merged": (n_rows, n_rows), "good": n_rows - N_BAD, "bad": N_BAD}:
        raise SystemExit(f"Of {n_rows} rows there are {found}.")


if __name__ == "__main__":
    main()
