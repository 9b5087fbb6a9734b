"""What the tests stand on: one packed environment, stand-ins of real models, one Spark session.

All of it is built once and kept in `build/` between runs; nothing here is a mock.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TESTS_BUILD = BUILD / "tests"

# Of the suite alone, and inherited by every JVM and sidecar that a test starts.
os.environ["DAI_SPARK_CACHE"] = str(TESTS_BUILD / "cache")
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["SPARK_LOCAL_HOSTNAME"] = "localhost"
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
for name in ("DAI_SPARK_ENV", "DRIVERLESS_AI_LICENSE_FILE", "DRIVERLESS_AI_LICENSE_KEY"):
    os.environ.pop(name, None)


# Files whose tests share something costly: an application on a cluster, the Spark session.
SHARED = {
    "test_license": "table jobs",
    "test_table_jobs": "table jobs",
    "test_faults_killed": "faults",
    "test_faults_pipeline": "faults",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a process whole files, and all files that share something (not every lane has xdist)."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = Path(nodeid.partition("::")[0])
            shared = path.as_posix()
            if path.parent.name == "spark":
                shared = "tables" if path.stem.startswith("test_table_") else "spark"
            return SHARED.get(path.stem, shared)

    return Together(config, log)


def alone(path):
    """Hold a lock beside `path`: the suite runs in two processes, and what one builds both use."""
    from dai_spark.host.file_lock import held

    path.parent.mkdir(parents=True, exist_ok=True)
    return held(path.with_name(f".{path.name}.lock"), 280)


@pytest.fixture(scope="session")
def packed_environment():
    """The DAI 1.10 environment for stand-ins, as `make demo` builds it: build/dai-1.10.tar.zst."""
    from dai_spark.environments import build_environment

    path = BUILD / "dai-1.10.tar.zst"
    with alone(path):
        return build_environment(path, dai="1.10")


@pytest.fixture(scope="session")
def pipeline_python(packed_environment):
    """Path of the Python 3.8 in the unpacked environment."""
    from dai_spark.local.unpacked_python import unpacked_python

    return unpacked_python(packed_environment.path)


@pytest.fixture(scope="session")
def license_text():
    """A licence that the stand-ins accept."""
    from dai_spark.testing import license_text

    return license_text()


@pytest.fixture(scope="session")
def license_file(license_text, tmp_path_factory):
    """A file with that licence, readable by its owner alone."""
    path = tmp_path_factory.mktemp("license") / "license.sig"
    path.touch(mode=0o600)
    path.write_text(license_text)
    return path


@pytest.fixture(scope="session")
def flights():
    """Twelve thousand flights spread over the year, with the target columns taken away."""
    from dai_spark.testing import flights_table

    table = flights_table().drop(columns=["late", "delay", "arrival"])
    return table.iloc[:: len(table) // 12_000].reset_index(drop=True)


@pytest.fixture(scope="session")
def export(pipeline_python):
    """A function that builds a small flights export once for its arguments."""
    from dai_spark import testing

    sources = hashlib.sha256()
    for path in sorted((ROOT / "dai_spark" / "testing").rglob("*.py")):
        sources.update(path.read_bytes())
    folder = TESTS_BUILD / "exports" / sources.hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)

    def build(**words):
        words = {"n_trees": 20, "n_train_rows": 4000, "python": pipeline_python, **words}
        name = hashlib.sha256(repr(sorted(words.items())).encode()).hexdigest()[:16]
        path = folder / (name if words.get("layout") == "unpacked" else f"{name}.zip")
        with alone(path):
            if not path.exists():
                testing.flights_export(path, **words)
        return path

    return build


class OwnScorer:
    """A pipeline's own `Scorer` in a process of its own Python, which knows nothing of dai_spark.

    The wheel's content is all that is installed; the pipeline's pandas reads a Parquet file, and
    one call of `score_batch` scores it.
    """

    def __init__(self, path, folder, python, license_text, arguments):
        from dai_spark import ScoringPipeline

        pipeline = ScoringPipeline(path)
        for member in pipeline.members:
            if member.startswith("tmp/"):
                (folder / member).parent.mkdir(parents=True, exist_ok=True)
                pipeline.extract_member(member, (folder / member).parent)
        wheel = pipeline.extract_member(pipeline.wheel_name, folder)
        environment = {
            "DRIVERLESS_AI_LICENSE_KEY": license_text,
            "OMP_NUM_THREADS": "1",
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(Path(python).parent.parent / "lib"),
        }
        script = str(ROOT / "tests" / "direct_scoring.py")
        self._folder = folder
        self._log = (folder / "own.log").open("wb")
        self._process = subprocess.Popen(
            [str(python), script, str(wheel), pipeline.package, json.dumps(arguments), "serve"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def score(self, frame):
        """The scores of a pandas frame."""
        import pandas as pd

        frame.to_parquet(self._folder / "rows.parquet")
        self._process.stdin.write("rows.parquet scores.parquet\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer == "done\n", (self._folder / "own.log").read_text(errors="replace")[-3000:]
        return pd.read_parquet(self._folder / "scores.parquet")

    def close(self):
        """End the process."""
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process.stdout.close()
        self._log.close()


@pytest.fixture(scope="session")
def own_scorer(pipeline_python, license_text, tmp_path_factory):
    """A context manager: ``with own_scorer(export, **arguments) as own: own.score(frame)``."""

    @contextlib.contextmanager
    def start(path, *, python=pipeline_python, **arguments):
        folder = tmp_path_factory.mktemp("direct")
        own = OwnScorer(path, folder, python, license_text, arguments)
        try:
            yield own
        finally:
            own.close()

    return start


@pytest.fixture(scope="session")
def own_scores(own_scorer):
    """The pipeline's own scores of a frame: ``own_scores(export, frame, output_margin=True)``."""

    def score(path, frame, **arguments):
        with own_scorer(path, **arguments) as own:
            return own.score(frame)

    return score


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """The suite's one classic session: local[2], four partitions after a shuffle, no UI."""
    import lakehouse
    from pyspark.sql import SparkSession

    builder = (
        SparkSession.builder.master("local[2]")
        .appName("dai_spark tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
    )
    for name, value in lakehouse.settings(tmp_path_factory.mktemp("lakehouse")).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
