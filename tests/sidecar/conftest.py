"""Stand-ins unpacked, and an executor of one's own to start sidecars in."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from processes import processes_of, wait_until
from standin import Installed

from dai_spark.client.connection import Connection
from dai_spark.client.executor import ExecutorContext, ProcessId
from dai_spark.local.local_plan import no_uri
from dai_spark.plan.plan import ShippedFile
from dai_spark.plan.request import ScoringRequest
from dai_spark.testing import flights_table, weather_table


@pytest.fixture(scope="session")
def python(request):
    """Path of an interpreter with the pipeline's packages: of the packed environment, or given.

    With DAI_SPARK_TEST_PYTHON these tests also run in the Python of another DAI line.
    """
    other = os.environ.get("DAI_SPARK_TEST_PYTHON")
    return Path(other or request.getfixturevalue("pipeline_python"))


@pytest.fixture(scope="session")
def install(tmp_path_factory, export, python):
    """Unpack and remember a flights export: install(kind, model, **options)."""
    known = {}

    def install(kind="binomial", model="lightgbm", **options):
        key = (kind, model, *sorted(options.items()))
        if key not in known:
            folder = tmp_path_factory.mktemp(kind)
            options = {"n_train_rows": 3000, "n_trees": 8, "layout": "flat", **options}
            path = export(python=python, kind=kind, model=model, **options)
            known[key] = Installed(path, folder, python)
            table = weather_table() if kind == "timeseries" else flights_table()
            # Every 401st: not the training rows alone, cancelled flights among them.
            table[::401][:200].to_csv(folder / "rows.csv", index=False)
        return known[key]

    return install


@pytest.fixture
def binomial(install):
    """The export that predicts a late arrival."""
    return install()


@contextlib.contextmanager
def executor_in(folder):
    """An executor's folder and a process, as a Python worker would find them, for a block's time.

    What was started in it must end with it.
    """
    folder.mkdir(mode=0o700)
    owner = ProcessId.of(os.getpid())
    yield ExecutorContext(folder, owner, None, "this-host", "partition 3 (stage 1, attempt 0)")
    # The folder's end is the executor's: whatever a test started must go with it.
    for left in folder.glob("*"):
        subprocess.run(["rm", "-rf", str(left)], check=True, timeout=20)
    folder.rmdir()
    assert wait_until(lambda: not processes_of(str(folder)), 10), processes_of(str(folder))


@pytest.fixture
def own_executor(tmp_path):
    """An executor of the test's own: for tests that kill, or look at all that is there."""
    with executor_in(tmp_path / "executor") as executor:
        yield executor


@pytest.fixture
def executor(own_executor):
    """The executor that a test scores on: its own, unless its file takes the shared one."""
    return own_executor


@pytest.fixture(scope="module")
def shared_executor(tmp_path_factory):
    """An executor that a file's tests share, as tasks do: sidecars stay warm between them.

    A file takes it by a fixture of its own, `executor`.  Its tests look at the sidecars of their
    own plans, and at what these have done since the test began.
    """
    with executor_in(tmp_path_factory.mktemp("shared") / "executor") as executor:
        yield executor


@pytest.fixture(scope="session")
def plan(packed_environment, license_text, export):
    def make(path=None, license=license_text, **options):
        request = ScoringRequest.of(
            path or export(), packed_environment, license, None, None, options, no_uri, no_uri
        )

        def stay(path, digest, ending, label):
            return ShippedFile("path", str(path), digest, label)

        return request.plan(stay)

    return make


@pytest.fixture(scope="module")
def described(plan, shared_executor):
    """What the plain export's sidecar tells of it: enough for its like that are slow.

    Seven of their calls go into a description, and as many into the trial of a fork, which
    ``start_method="fork"`` spares.
    """
    with Connection(plan(), shared_executor) as connection:
        return connection.describe()
