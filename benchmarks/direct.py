"""Direct scoring: the pipeline in processes of its own Python, with no Spark and no dai_spark."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dai_spark import PackedEnvironment, ScoringPipeline
from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.testing import license_text

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
ENVIRONMENT = BUILD / "dai-1.10.tar.zst"
PIPELINE = BUILD / "flights-scorer.zip"
LICENSE = BUILD / "license.txt"
SOURCE = BUILD / "tables" / "flights"
FOLDER = BUILD / "benchmark"
LIMIT_S = 3600


def prepare_files() -> None:
    """Build what the demo builds, and give the processes started from here what they need."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    demo = [sys.executable, str(ROOT / "examples" / "demo.py"), "--prepare"]
    subprocess.run(demo, check=True, timeout=LIMIT_S)


def score_directly(
    files: list[Path],
    target: Path,
    n_processes: int,
    batch_rows: int,
    pipeline_path: Path = PIPELINE,
) -> float:
    """Score Parquet files into a folder and return the seconds it took, loading not counted.

    Each process has its share of the files, a working directory of its own, and one thread, as
    each of the table job's tasks has.
    """
    folder = fresh(target)
    work = fresh(target.with_name(f"{target.name}-work"))
    pipeline = ScoringPipeline(pipeline_path)
    python = unpacked_python(ENVIRONMENT)
    workers = []
    for number in range(n_processes):
        own = fresh(work / str(number))
        for member in pipeline.members:
            if member.startswith("tmp/"):
                (own / member).parent.mkdir(parents=True, exist_ok=True)
                pipeline.extract_member(member, (own / member).parent)
        wheel = pipeline.extract_member(pipeline.wheel_name, own)
        share = [str(file) for file in files[number::n_processes]]
        arguments = [str(wheel), pipeline.package, str(batch_rows), str(folder), "flight_id"]
        with (own / "log").open("w") as log:
            workers.append(
                subprocess.Popen(
                    [
                        *[str(python), str(Path(__file__).with_name("direct_worker.py"))],
                        *[*arguments, *share],
                    ],
                    cwd=own,
                    env=environment_of(python, own),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            )
    for worker in workers:
        _await(worker, "ready", work)
    begun = time.monotonic()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _await(worker, "done", work)
    taken_s = time.monotonic() - begun
    for worker in workers:
        worker.communicate(timeout=60)
    return taken_s


def fresh(folder: Path) -> Path:
    """Make a folder that is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _await(worker: "subprocess.Popen[str]", word: str, work: Path) -> None:
    if worker.stdout.readline().strip() != word:
        worker.kill()
        sys.exit(f"Direct scoring ended before it was {word}; its logs are in {work}.")


def environment_of(python: Path, home: Path) -> dict[str, str]:
    """All that a process of the pipeline's Python is told."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
    return {
        **threads,
        "DRIVERLESS_AI_LICENSE_KEY": license_text(),
        "HOME": str(home),
        "LD_LIBRARY_PATH": str(python.parent.parent / "lib"),
        "PATH": "/usr/bin:/bin",
    }


def python_of_pipeline() -> str:
    """Return the pipeline's Python, as "3.8"."""
    return PackedEnvironment(ENVIRONMENT).python
