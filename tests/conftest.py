"""What the tests stand on: one packed environment, stand-ins of real models, one Spark session.

All of it is built once and kept in `build/` between runs; nothing here is a mock.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from own_scorer import OwnScorer
from scopes import scope_of, turn_of

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TESTS_BUILD = BUILD / "tests"

# As in cluster/programs/conf: a JVM of some minutes never earns an optimising compiler.  Without
# one it has 48 MB for code, and sweeps them in vain, for a quarter of its time, once they are full.
JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"

# Of the suite alone, and inherited by every JVM and sidecar that a test starts.
os.environ["DAI_SPARK_CACHE"] = str(TESTS_BUILD / "cache")
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["SPARK_LOCAL_HOSTNAME"] = "localhost"
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
# Where it is set, each of hundreds of processes compiles all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Nothing asserts how long an example takes: this machine may be busy with other work.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
for name in ("DAI_SPARK_ENV", "DRIVERLESS_AI_LICENSE_FILE", "DRIVERLESS_AI_LICENSE_KEY"):
    os.environ.pop(name, None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Order by turns; within one as collected."""
    items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a process whole scopes, in the order of their turns (not every lane has xdist)."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return scope_of(nodeid)

    # It would begin with the scopes that have most tests, and not with those that take longest.
    config.option.loadscopereorder = False
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


@pytest.fixture(scope="session")
def own_scorer(pipeline_python, license_text, tmp_path_factory):
    """A context manager: ``with own_scorer(export) as own: own.score(frame, **arguments)``."""

    @contextlib.contextmanager
    def start(path, *, python=pipeline_python):
        own = OwnScorer(path, tmp_path_factory.mktemp("direct"), python, license_text)
        try:
            yield own
        finally:
            own.close()

    return start


# A scorer takes 200 MB and a second to load.
N_OWN_SCORERS = 3


@pytest.fixture(scope="session")
def own_scores(pipeline_python, own_scorer):
    """The pipeline's own scores of a frame: ``own_scores(export, frame, output_margin=True)``.

    The processes that scored last are kept for the next frame.
    """
    with contextlib.ExitStack() as ending:
        kept = {}

        def score(path, frame, *, python=pipeline_python, **arguments):
            key = (str(path), str(python))
            own, close = kept.pop(key, None) or begin(path, python)
            kept[key] = own, close
            while len(kept) > N_OWN_SCORERS:
                kept.pop(next(iter(kept)))[1]()
            try:
                return own.score(frame, **arguments)
            except BaseException:
                kept.pop(key)[1]()
                raise

        def begin(path, python):
            scorer = contextlib.ExitStack()
            own = scorer.enter_context(own_scorer(path, python=python))
            return own, scorer.close

        ending.callback(lambda: [close() for _, close in kept.values()])
        yield score


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
        # Of so many tasks Delta makes each vacuum, by default ten thousand.
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "4")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", JVM_OPTIONS)
        # Spark writes each plan down before it runs it, and nobody reads that here.
        .config("spark.sql.ui.explainMode", "simple")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
    )
    for name, value in lakehouse.settings(tmp_path_factory.mktemp("lakehouse")).items():
        builder = builder.config(name, value)
    # Two processes that fetch jars into one empty cache spoil each other's files.
    with alone(TESTS_BUILD / "jars"):
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
