"""Scores a third of a million real flights with a pipeline of Python 3.8, by spark-submit.

``make demo`` runs it.  Nothing is built twice; ``make clean`` forgets what was built.
``--prepare`` stops before the scoring, for the notebook and the benchmarks.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import dai_spark
from dai_spark.environments import build_environment
from dai_spark.errors import DaiSparkError
from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.testing import flights_export, flights_table, license_text

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
ENVIRONMENT = BUILD / "dai-1.10.tar.zst"
PIPELINE = BUILD / "flights-scorer.zip"
LICENSE = BUILD / "license.txt"
SOURCE = BUILD / "tables" / "flights"
TARGET = BUILD / "tables" / "flight_scores"
LOG_SETTINGS = ROOT / "examples" / "log4j2.properties"

TARGETS = ["late", "delay", "arrival"]
KEPT = ["flight_id", "carrier", "flight", "origin", "dest", "month", "day", "hour", "dep_delay"]
N_SOURCE_FILES = 8
SCORING_LIMIT_S = 900


def main() -> None:
    """Build what is missing, score, and show the scores."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prepare", action="store_true", help="build, but do not score")
    arguments = parser.parse_args()
    try:
        prepare()
    except DaiSparkError as error:
        sys.exit(f"make demo: {error.text}")
    if not arguments.prepare:
        report = score()
        show(report)


def prepare() -> None:
    """Build the packed environment, the pipeline, the licence and the source table."""
    BUILD.mkdir(exist_ok=True)
    package = Path(dai_spark.__file__).parent
    step(1, "packed environment (Python 3.8 with the packages of Driverless AI 1.10)")
    build_environment(ENVIRONMENT, dai="1.10", on_message=tell)
    there(ENVIRONMENT)

    step(2, "scoring pipeline (predicts at departure whether a flight arrives late)")
    if is_stale(PIPELINE, package / "testing"):
        flights_export(PIPELINE, python=unpacked_python(ENVIRONMENT), on_message=tell)
    there(PIPELINE)
    write_license()

    step(3, "source table (flights from New York in 2013)")
    if is_stale(SOURCE / "_SUCCESS", package / "testing"):
        write_source()
    n_rows = sum(pq.read_metadata(file).num_rows for file in SOURCE.glob("*.parquet"))
    print(f"      {shown(SOURCE)}, {n_rows:,} rows, no column that tells the arrival")


def score() -> dict[str, Any]:
    """Run the table job as a scheduler would, and return its report."""
    step(4, "spark-submit jobs/score_table.py")
    command = [
        str(Path(sys.executable).with_name("spark-submit")),
        *["--master", "local[2]", "--driver-memory", "2g"],
        # A task for each file, so that the progress bar has something to tell.
        *["--conf", "spark.ui.enabled=false", "--conf", "spark.sql.files.minPartitionNum=8"],
        *["--driver-java-options", f"-Dlog4j2.configurationFile=file:{LOG_SETTINGS}"],
        str(ROOT / "jobs" / "score_table.py"),
        *["--pipeline", str(PIPELINE), "--env", str(ENVIRONMENT), "--license-file", str(LICENSE)],
        *["--source", f"parquet:{SOURCE}", "--target", f"parquet:{TARGET}", "--mode", "overwrite"],
        # Without an id of its own a second demo would be told that it is done already.
        *["--run-id", f"demo {time.time_ns()}", "--keep", ",".join(KEPT), "--json"],
    ]
    own = {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": os.environ.get("SPARK_LOCAL_IP", "127.0.0.1"),
    }
    begun = time.monotonic()
    with subprocess.Popen(
        command, env={**os.environ, **own}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as job:
        limit = threading.Timer(SCORING_LIMIT_S, job.kill)
        limit.start()
        answer = echo(job)
        limit.cancel()
    if job.returncode != 0:
        sys.exit(f"{answer}\nmake demo: the job ended with exit status {job.returncode}.")
    report: dict[str, Any] = json.loads(answer)
    print(f"      done in {time.monotonic() - begun:.0f} s, the start of Spark included")
    return report


def echo(job: "subprocess.Popen[bytes]") -> str:
    """Show what the job says until its report begins, and return the report.

    spark-submit sends the standard error of a Python driver to standard output.
    """
    assert job.stdout is not None
    report = b""
    while chunk := os.read(job.stdout.fileno(), 65536):
        said, brace, rest = (b"", b"", chunk) if report else chunk.partition(b"{")
        report += brace + rest
        sys.stdout.buffer.write(said)
        sys.stdout.buffer.flush()
    return report.decode()


def show(report: dict[str, Any]) -> None:
    """Print ten scored rows, the speed, where the table lies, and what to try next."""
    step(5, "ten of the scored rows")
    scores = pq.read_table(TARGET, columns=[*KEPT, "prediction"])
    tenth = scores.num_rows // 10
    print(as_text(scores.take([i * tenth + tenth // 2 for i in range(10)])))
    python = ".".join(str(number) for number in sys.version_info[:2])
    version = dai_spark.PackedEnvironment(ENVIRONMENT).python
    print(
        f"\nScored {report['n_rows']:,} rows in {report['scoring_s']:.1f} s, "
        f"{report['rows_per_s']:,.0f} rows/s: the pipeline on Python {version}, "
        f"Spark {spark_version()} on Python {python}.\n"
        f"The table:  {shown(TARGET)} (Parquet)\n"
        f"Try next:   .venv/bin/dai-spark pipeline show {shown(PIPELINE)}"
    )


def write_source() -> None:
    """Write the flights without the targets, in as many files as a small table would have."""
    table = pa.Table.from_pandas(flights_table().drop(columns=TARGETS), preserve_index=False)
    SOURCE.mkdir(parents=True, exist_ok=True)
    n_rows = -(-table.num_rows // N_SOURCE_FILES)
    for number in range(N_SOURCE_FILES):
        part = table.slice(number * n_rows, n_rows)
        pq.write_table(part, SOURCE / f"part-{number:05}.parquet")
    (SOURCE / "_SUCCESS").touch()


def write_license() -> None:
    """Write a licence that the stand-in pipeline accepts, for this user's eyes only."""
    LICENSE.unlink(missing_ok=True)
    with os.fdopen(os.open(LICENSE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(license_text())


def as_text(rows: pa.Table) -> str:
    """Lay out a small table, its struct column spread over one column a field."""
    flat = rows.flatten()
    cells = [[name.removeprefix("prediction.") for name in flat.column_names]]
    for row in flat.to_pylist():
        cells.append([as_cell(value) for value in row.values()])
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(line, widths)) for line in cells]
    return "\n".join(lines)


def as_cell(value: object) -> str:
    """Format one value: scores with four digits, missing values as a dash."""
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.4f}"
    return str(value)


def is_stale(made: Path, *sources: Path) -> bool:
    """Whether a file is missing, or older than a source file that it was made by."""
    if not made.exists():
        return True
    files = [file for source in sources for file in source.rglob("*") if file.suffix != ".pyc"]
    return any(file.stat().st_mtime > made.stat().st_mtime for file in files if file.is_file())


def spark_version() -> str:
    """Return the version of the Spark that spark-submit started."""
    from importlib.metadata import version

    return version("pyspark")


def step(number: int, what: str) -> None:
    """Head one of the five steps."""
    print(f"[{number}/5] {what}", flush=True)


def there(file: Path) -> None:
    """Say where a built file lies."""
    print(f"      {shown(file)}, {file.stat().st_size / 1e6:,.1f} MB", flush=True)


def tell(text: str) -> None:
    """Show the progress of a long step."""
    print(f"      {text}", flush=True)


def shown(path: Path) -> str:
    """Name a file as it is seen from the project's folder."""
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
