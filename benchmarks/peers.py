"""Scoring with dai_spark against what people write by hand, on a Python that can host all of them.

A stand-in of Driverless AI 1.11 needs Python 3.11, which Spark 4 and MLflow 3 run on as well, so
one export can be scored in the Spark workers' own process and beside it.  The program builds that
Python's environment (build/benchmark/peers) and the packed one, and then scores one table in one
Spark session, in turn:

- an iterator pandas UDF with the scorer cached in each Python worker;
- `predict_batch_udf`, whose factory caches in each Python worker as well;
- MLflow's `spark_udf`, `env_manager="local"` and isolated in an environment of its own;
- the recipe of H2O's PySpark sample: the workers run in the scoring environment, and a plain pandas
  UDF constructs the `Scorer` for every batch;
- dai_spark: `score_dataframe` and both kinds of `score_udf`.

Scores are checked to be equal.  Slow peers get fewer rows; rows a second are compared.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from direct import FOLDER, LICENSE, LIMIT_S, ROOT, fresh, prepare_files
from exports import flights_pipeline
from program import Program, tell
from tables import KEY, written_table

from dai_spark import ScoringPipeline
from dai_spark.environments import build_environment
from dai_spark.testing import license_text
from dai_spark.testing.dai_lines import find_dai_line

DAI = "1.11.0"
ENVIRONMENT = FOLDER / "peers"
PACKED = FOLDER / "dai-1.11.tar.zst"
TARGETS = FOLDER / "peers-scores"
N_FILES = 8
MLFLOW = "mlflow==3.17.2"
PACKAGES = ("pyspark==4.1.1", MLFLOW, "uv")


def main() -> None:
    """Build the environments, measure, and write the result."""
    program = Program(__file__, __doc__, rows=1_000_000, repeat=3)
    program.parser.add_argument(
        "--slow-rows", type=int, default=200_000, help="rows for slow peers (default 200000)"
    )
    program.parser.add_argument("--trees", type=int, default=100, help="(default 100)")
    program.parser.add_argument("--batch-rows", type=int, default=10_000, help="(default 10000)")
    program.parser.add_argument(
        "--way", action="append", help="only this one, may be repeated (default all)"
    )
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Score in a session of the peers' Python, and check what it wrote."""
    prepare_files()
    python = peers_python()
    pipeline = flights_pipeline(arguments.trees, python=python, dai_version=DAI)
    tell("packing the environment of the same pipeline")
    build_environment(PACKED, reference=pipeline, on_message=tell)
    fresh(TARGETS)
    words = {
        "pipeline": str(pipeline),
        "environment": str(PACKED),
        "license_file": str(LICENSE),
        "table": str(written_table(arguments.rows, N_FILES)[0]),
        "slow_table": str(written_table(min(arguments.slow_rows, arguments.rows), N_FILES)[0]),
        "half_table": str(written_table(min(arguments.slow_rows, arguments.rows) // 2, N_FILES)[0]),
        "targets": str(TARGETS),
        "package": ScoringPipeline(pipeline).package,
        "requirements": [MLFLOW, *find_dai_line(DAI).pins],
        "batch_rows": arguments.batch_rows,
        "repeat": arguments.repeat,
        "ways": arguments.way,
    }
    found = session(python, pipeline, words, arguments.limit_s)
    check_equal()
    return {
        "rows": arguments.rows,
        "slow_rows": arguments.slow_rows,
        "batch_rows": arguments.batch_rows,
        "trees": arguments.trees,
        **found,
    }


def peers_python() -> Path:
    """Make the environment that hosts all peers, and return its Python."""
    python = ENVIRONMENT / "bin" / "python"
    wanted = "\n".join([*find_dai_line(DAI).pins, *PACKAGES]) + "\n"
    stamp = ENVIRONMENT / "requirements.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        tell("building the peers' environment (Spark, MLflow and the pipeline's packages)")
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        version = find_dai_line(DAI).python
        for command in (
            ["venv", "--quiet", "--clear", "--python", version, str(ENVIRONMENT)],
            ["pip", "install", "--quiet", "--python", str(python), *wanted.split()],
        ):
            subprocess.run([str(uv), *command], check=True, timeout=LIMIT_S)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def session(python: Path, pipeline: Path, words: dict[str, Any], limit_s: int) -> dict[str, Any]:
    """Run `peer_session.py` in that Python and return what it found.

    The scoring package is on its path, as an in-process scorer needs it, and the export's `tmp`
    in its working directory.
    """
    export = ScoringPipeline(pipeline)
    home = fresh(FOLDER / "peers-home")
    for member in export.members:
        if member.startswith("tmp/"):
            (home / member).parent.mkdir(parents=True, exist_ok=True)
            export.extract_member(member, (home / member).parent)
    with zipfile.ZipFile(export.extract_member(export.wheel_name, home)) as wheel:
        wheel.extractall(home / "site")
    benchmarks = Path(__file__).resolve().parent
    answer = home / "answer.json"
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
    given = {
        **kept,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{benchmarks}:{home / 'site'}",
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "DRIVERLESS_AI_LICENSE_KEY": license_text(),
        "PEER_HOME": str(home),
        # One content, one environment: MLflow looks for an earlier one under this name.
        "MLFLOW_ENV_ROOT": str(FOLDER / "mlflow-envs"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
    }
    command = [str(python), str(benchmarks / "peer_session.py"), json.dumps(words), str(answer)]
    log = home / "session.log"
    with log.open("w") as stream:
        done = subprocess.run(
            command, cwd=home, env=given, stdout=stream, timeout=limit_s, stdin=subprocess.DEVNULL
        )
    if done.returncode != 0:
        sys.exit("The session with the peers failed; see above.")
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def check_equal() -> None:
    """End here if two ways gave one row two scores: then their times mean nothing."""
    first: dict[str, Any] = {}
    for folder in sorted(TARGETS.iterdir()):
        if folder.name.startswith("bare"):
            continue
        scores = pq.read_table(folder).sort_by(KEY)
        digest = hashlib.sha256(scores.slice(0, 10_000).to_pandas().to_csv().encode()).hexdigest()
        first.setdefault(digest, []).append(folder.name)
    if len(first) > 1:
        sys.exit(f"Not all scores are equal: {list(first.values())}")


if __name__ == "__main__":
    main()
