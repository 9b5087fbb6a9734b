"""Real programs on real clusters: each in a JVM of its own, from a working directory of its own.

A program (`programs/*.py`) does much in one session, since a JVM and its executors take many
seconds to start, and writes what it saw as JSON; the tests assert on that.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import hadoop
import pytest
from cluster.programs import looking

PROGRAMS = Path(__file__).resolve().parent / "programs"
ROOT = PROGRAMS.parent.parent.parent

TIMEOUT_S = 240
# Some twenty jobs and their retries.
FAULTS_TIMEOUT_S = 480


class Run:
    """A run of a program: its folders, and what it left in them.

    `working` is where it was started and holds nothing; `work` holds the executors' working
    folders and logs; `local` is Spark's own scratch space; `out` gets what the program writes.
    """

    def __init__(self, folder, cache):
        self.folder = folder
        self.cache = cache
        for name in ("working", "local", "out", "home", "temporary", "spark/work"):
            path = folder / name
            path.mkdir(mode=0o700, parents=True)
            setattr(self, path.name, path)
        self.exit_code = None
        self.seconds = None

    @property
    def stdout(self):
        return (self.folder / "driver.out").read_text()

    @property
    def stderr(self):
        return (self.folder / "driver.err").read_text()

    @property
    def findings(self):
        path = self.out / "findings.json"
        assert path.exists(), f"The program wrote nothing:\n{self.stdout}\n{self.stderr}"
        return json.loads(path.read_text())

    def sidecar_logs(self):
        """The logs of all sidecars, in the executors' log folders or the places' own."""
        found = [*self.work.rglob("dai_spark-sidecar-*.log")]
        return {path: path.read_text() for path in [*found, *self.local.rglob("*.log")]}


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """A Python that has Spark, pandas and pyarrow, and cannot import dai_spark.

    The suite's own environment has it installed in editable form, by a hook that the module
    `site` runs; here that module does not run.
    """
    path = tmp_path_factory.mktemp("bare") / "python"
    path.write_text(
        "#!/bin/sh\n"
        f'export PYTHONPATH="$PYTHONPATH:{sysconfig.get_path("purelib")}"\n'
        f'exec "{sys.executable}" -S "$@"\n'
    )
    path.chmod(0o700)
    return path


@pytest.fixture(scope="session")
def start(tmp_path_factory, bare_python):
    """A function that starts a program or a command: it gives a Run and its process.

    ``start("name.py", {...})`` starts one of `programs/`, with its arguments as JSON;
    ``start([...])`` starts spark-submit with those arguments, or another of Spark's tools.
    `within` are words that stand before the command, to run it elsewhere.
    """
    begun = []

    def begin(
        command, arguments=None, *, cache=None, tool="spark-submit", within=(), **environment
    ):
        is_program = isinstance(command, str)
        name = Path(command).stem if is_program else tool
        run = Run(tmp_path_factory.mktemp(name), cache)
        # Executors' working folders lie in SPARK_HOME/work: a folder of its own that looks like
        # the installed Spark keeps them, and their logs, together.
        import pyspark

        for path in Path(pyspark.__file__).parent.iterdir():
            if path.name != "work":
                (run.folder / "spark" / path.name).symlink_to(path)
        known = ("PATH", "JAVA_HOME", "LANG")
        spark = ("SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME")
        given = {name: os.environ[name] for name in (*known, *spark) if name in os.environ}
        given.update(
            HOME=str(run.home),
            TMPDIR=str(run.temporary),
            DAI_SPARK_CACHE=str(cache or os.environ["DAI_SPARK_CACHE"]),
            SPARK_HOME=str(run.folder / "spark"),
            SPARK_CONF_DIR=str(PROGRAMS / "conf"),
            SPARK_LOCAL_DIRS=str(run.local),
            PYSPARK_PYTHON=str(bare_python),
            PYSPARK_DRIVER_PYTHON=sys.executable,
            PYTHONUNBUFFERED="1",
        )
        given.update(environment)
        if is_program:
            words = {"repo": ROOT, "out": run.out, "folder": run.folder, **(arguments or {})}
            words = json.dumps(words, default=str)
            command = [sys.executable, str(PROGRAMS / command), words]
        else:
            command = [str(run.folder / "spark" / "bin" / tool), *map(str, command)]
        with (
            (run.folder / "driver.out").open("w") as out,
            (run.folder / "driver.err").open("w") as err,
        ):
            process = subprocess.Popen(
                [*within, *command],
                cwd=run.working,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        begun.append(process)
        return run, process

    yield begin
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@pytest.fixture(scope="session")
def run_program(start):
    """A function that runs a program to its end and gives its Run."""

    def run(command, arguments=None, *, timeout_s=TIMEOUT_S, **words):
        begun = time.monotonic()
        made, process = start(command, arguments, **words)
        try:
            made.exit_code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            pytest.fail(f"{command} ran into its limit:\n{made.stdout}\n{made.stderr}")
        made.seconds = time.monotonic() - begun
        return made

    return run


@pytest.fixture(scope="session")
def dist_zip():
    """The zip for --py-files, made by the script behind `make dist`."""
    found = importlib.util.spec_from_file_location("dist", ROOT / "scripts" / "dist.py")
    dist = importlib.util.module_from_spec(found)
    found.loader.exec_module(dist)
    dist.DIST = ROOT / "build" / "tests" / "dist"
    dist.main()
    return dist.DIST / "dai_spark.zip"


@pytest.fixture(scope="session")
def hadoop_jars():
    """The jars of a small Hadoop, in build/."""
    return hadoop.jars(ROOT / "build" / "tests" / "hadoop" / "jars")


@pytest.fixture(scope="session")
def flights_parquet(flights, tmp_path_factory):
    """The flights as one Parquet file."""
    path = tmp_path_factory.mktemp("flights") / "flights.parquet"
    flights.to_parquet(path)
    return path


@pytest.fixture(scope="session")
def padded_export(export):
    """An export of a real one's proportions: a small scoring wheel among large dependencies."""
    return export(padding_bytes=200_000_000)


@pytest.fixture(scope="module")
def fresh_cache(tmp_path_factory):
    """A cache folder in which nothing lies, taken away afterwards: environments are large."""
    path = tmp_path_factory.mktemp("cache") / "dai_spark"
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def own_flight_scores(own_scores, flights):
    """A function: the pipeline's own scores of the flights, by flight_id."""

    def score(path):
        return own_scores(path, flights).set_index(flights["flight_id"])

    return score


@pytest.fixture(scope="session")
def nothing_left():
    """A function that asserts that a run left no sidecar, and none of its files, on this host."""

    def check(run, timeout_s=15):
        def left():
            files = [*looking.leftovers(run.local), *looking.leftovers(run.temporary)]
            return looking.beside(run.home), files

        # A driver's Python may end a second before its JVM has taken its own folders away.
        looking.wait_until(lambda: left() == ([], []), timeout_s)
        assert left() == ([], [])

    return check


@pytest.fixture(scope="session")
def repository():
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def failing_export(export):
    """An export that raises where a row bears a mark."""
    return export(fate="raise_in_score")


@pytest.fixture(scope="session")
def table_jobs(
    run_program, export, failing_export, packed_environment, license_file, flights_parquet
):
    """One application that runs the table job as it should, and as it fails."""
    from dai_spark.testing import MARK_TEXT

    made = run_program(
        "table_jobs.py",
        {
            "name": "dai_spark licence search",
            "pipeline": str(export()),
            "failing_pipeline": str(failing_export),
            "mark": MARK_TEXT,
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
    )
    assert made.exit_code == 0, made.stderr
    return made


FAULTY = (
    "raise_in_load",
    "hang_in_load",
    "raise_in_score",
    "exit_in_score",
    "segfault_in_score",
    "hang_in_score",
    "flood_in_score",
    "garbage_in_score",
)


class Faults:
    """What the applications that suffer fault after fault score, and with which pipelines.

    Attributes
    ----------
    rows : pandas.DataFrame
    marked_rows : pandas.DataFrame
        The same, one row of which bears the mark that the fates in scoring wait for.
    exports : dict
        A pipeline for each fate, and a slow one that has none.
    """

    def __init__(self, rows, marked_rows, exports):
        self.rows = rows
        self.marked_rows = marked_rows
        self.exports = exports


@pytest.fixture(scope="session")
def faults(export, flights):
    """The rows and pipelines of both applications."""
    from dai_spark.testing import MARK_TEXT

    rows = flights.head(400)
    marked_rows = rows.copy()
    marked_rows.loc[150, "carrier"] = MARK_TEXT
    exports = {name: export(fate=name) for name in FAULTY}
    exports["slow"] = export(score_seconds=0.3)
    return Faults(rows, marked_rows, exports)


@pytest.fixture(scope="session")
def fault_arguments(faults, packed_environment, license_file, license_text, tmp_path_factory):
    """What programs/faults.py is told, but for the kind of workers."""
    from dai_spark.testing import MARK_TEXT

    folder = tmp_path_factory.mktemp("faulty")
    tables = folder / "flights"
    tables.mkdir()
    for part in range(4):
        faults.rows[part * 100 : part * 100 + 100].to_parquet(tables / f"{part}.parquet")
    bad_license = folder / "bad.sig"
    bad_license.touch(mode=0o600)
    bad_license.write_text(license_text[::-1])
    return {
        "exports": {name: str(path) for name, path in faults.exports.items()},
        "env": packed_environment.path,
        "license_file": license_file,
        "bad_license_file": bad_license,
        "flights": tables,
        "marked": int(faults.rows["flight_id"][150]),
        "mark": MARK_TEXT,
    }


@pytest.fixture(scope="session")
def daemon_run(run_program, fault_arguments):
    """The application with pyspark's daemons; it is stopped in the middle of its last job."""
    words = {**fault_arguments, "use_daemon": "true"}
    made = run_program("faults.py", words, timeout_s=FAULTS_TIMEOUT_S)
    assert made.exit_code == 0, made.stderr
    return made


@pytest.fixture(scope="session")
def no_daemon_run(start, fault_arguments):
    """The application without daemons; its driver is killed in the middle of its last job."""
    if sys.version_info >= (3, 12):
        pytest.skip(
            "Without daemons Spark 4.1.1 loses what its Python workers write last on Python 3.12 "
            "and later, so that any job fails, also one without dai_spark; see tests/README.md."
        )
    made, process = start("faults.py", {**fault_arguments, "use_daemon": "false"})

    def is_in_last_job():
        n_scorers = sum(not is_sidecar for is_sidecar, _ in looking.sidecars(made.folder).values())
        begun = "the last job begins" in made.stdout
        return process.poll() is not None or (begun and n_scorers >= 2)

    assert looking.wait_until(is_in_last_job, FAULTS_TIMEOUT_S), made.stderr
    assert process.poll() is None, made.stderr
    java = looking.java_below(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    os.kill(java, signal.SIGKILL)
    made.gone_s = looking.wait_until(lambda: not looking.sidecars(made.folder), 15)
    return made
