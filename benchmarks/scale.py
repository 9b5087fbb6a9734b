"""What grows with a cluster: the driver's memory with its tasks, and the way of an archive.

- Tasks: one small table in more and more tasks, each number in a session of its own; the driver's
  heap behind a collection of its garbage, and its Python's resident size, scored and bare.
- The archive: of what `cold_start.py` measured of one host, what its place costs many hosts.  The
  links' speeds are assumptions, and arguments.
- A billion rows: of what `throughput.py` measured, how many cores score them within an hour.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from bare import bare_frame
from direct import ENVIRONMENT, LICENSE, prepare_files
from exports import flights_pipeline
from program import Program, tell
from pyspark.sql import SparkSession
from session import start_spark, write_away
from tables import FEATURES, KEY, written_table

from dai_spark import score_dataframe

FILES = {"env": ENVIRONMENT, "license_file": str(LICENSE)}
N_TREES = 20
BILLION = 1_000_000_000


def main() -> None:
    """Measure, derive, and write the result."""
    program = Program(__file__, __doc__, rows=8_000, repeat=1)
    program.parser.add_argument("--tasks", type=int, nargs="+", default=[250, 1000, 4000])
    program.parser.add_argument("--hosts", type=int, default=1000, help="default 1000")
    program.parser.add_argument(
        "--driver-gbit", type=float, default=10.0, help="link of the driver (default 10 Gbit/s)"
    )
    program.parser.add_argument(
        "--host-gbit", type=float, default=10.0, help="link of each host (default 10 Gbit/s)"
    )
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the driver; derive the rest."""
    prepare_files()
    return {
        "tasks": [measure_tasks(n, arguments.rows) for n in arguments.tasks],
        "archive": archive_ways(arguments),
        "billion_rows": billion_rows(arguments.results),
    }


def measure_tasks(n_tasks: int, n_rows: int) -> dict[str, Any]:
    """The driver's memory behind a job of so many tasks, bare and scored."""
    pipeline = flights_pipeline(N_TREES)
    table, _ = written_table(n_rows, 1)
    found: dict[str, Any] = {"tasks": n_tasks}
    for way in ("bare", "scored"):
        spark = start_spark()
        frame = spark.read.parquet(str(table)).repartition(n_tasks)
        if way == "bare":
            write_away(bare_frame(frame, [KEY], FEATURES))
        else:
            write_away(score_dataframe(frame, pipeline, keep=[KEY], **FILES))
        found[way] = {"heap_mb": heap_mb(spark), "python_mb": resident_mb()}
        spark.stop()
        tell(f"{n_tasks:,} tasks, {way}: heap {found[way]['heap_mb']:.0f} MB")
    return found


def heap_mb(spark: SparkSession) -> float:
    """Live objects of the driver's heap; in local mode the executor's, too."""
    runtime = spark.sparkContext._jvm.java.lang.Runtime.getRuntime()
    for _ in range(3):
        runtime.gc()
    return (runtime.totalMemory() - runtime.freeMemory()) / 1e6


def resident_mb() -> float:
    """Of the driver's Python."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1e3
    raise SystemExit("/proc/self/status has no VmRSS here")


def archive_ways(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds until the last host has the environment, for each place of its archive."""
    (one, *_) = runs = _figures(arguments.results, "cold_start")["large"]
    archive_mb = one["archive_mb"]
    unpack_s = sorted(run["first_executor_s"] for run in runs)[len(runs) // 2]
    over_driver_s = arguments.hosts * archive_mb * 8e-3 / arguments.driver_gbit
    own_link_s = archive_mb * 8e-3 / arguments.host_gbit
    return {
        "hosts": arguments.hosts,
        "driver_gbit": arguments.driver_gbit,
        "host_gbit": arguments.host_gbit,
        "environment_mb": one["environment_mb"],
        "archive_mb": archive_mb,
        "unpack_s": unpack_s,
        "last_host_s": {
            "a Spark file, of the driver": over_driver_s + unpack_s,
            "a URI of an object store": own_link_s + unpack_s,
            "the image, or a folder of the node": 0.0,
        },
    }


def billion_rows(results: Path) -> list[dict[str, Any]]:
    """Cores that score a billion rows within an hour, by model and way."""
    figures = _figures(results, "throughput")
    return [
        {
            "trees": model["trees"],
            "columns": figures["columns"],
            "rows_per_s_of_a_core": model["rows_per_s"][way] / figures["cores"],
            "way": way,
            "cores": BILLION / 3600 / (model["rows_per_s"][way] / figures["cores"]),
        }
        for model in figures["models"]
        for way in ("direct", "score_dataframe", "table job")
    ]


def _figures(results: Path, name: str) -> dict[str, Any]:
    path = results / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `python benchmarks/{name}.py` first.")
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return figures


if __name__ == "__main__":
    main()
