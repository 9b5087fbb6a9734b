"""Processes killed under a job, with pyspark's daemons and without: no row is lost, none is left.

Each fault was injected while a scorer of the executor in question had a batch.
"""

import re
import socket

import pandas as pd
import pytest
from cluster.programs.event_log import attempts
from pandas.testing import assert_frame_equal

from dai_spark import errors

# One application serves all tests; on a machine with other work it takes minutes.
pytestmark = pytest.mark.timeout(600)

HOST = re.escape(socket.gethostname())
ROWS = r"while it scored rows \d+-\d+ of partition \d \(stage \d+, attempt \d\)"
WITH_DAEMON = (
    "sidecar_killed",
    "worker_killed",
    "sidecar_killed_idle",
    "scorer_killed",
    "daemon_terminated",
    "daemon_killed",
    "after_all",
)
WITHOUT_DAEMON = ("sidecar_killed", "worker_killed", "executor_killed")
SURVIVED = [
    *[("daemon_run", fault) for fault in WITH_DAEMON],
    *[pytest.param("no_daemon_run", fault, marks=pytest.mark.long) for fault in WITHOUT_DAEMON],
]
# A second application, for `make test-long`.
NO_DAEMON = pytest.param("no_daemon_run", marks=pytest.mark.long)
BOTH = ["daemon_run", NO_DAEMON]


@pytest.fixture
def look(request):
    """A function: the run, what the program noted of a fault, and its attempts."""

    def look(name, fault):
        run = request.getfixturevalue(name)
        return run, run.findings["faults"][fault], attempts(run.out).get(fault, [])

    return look


@pytest.fixture(scope="module")
def own(own_scores, faults):
    """The slow pipeline's own scores, by flight_id."""
    return own_scores(faults.exports["slow"], faults.rows).set_index(faults.rows["flight_id"])


@pytest.mark.parametrize(("name", "fault"), SURVIVED)
def test_every_row_is_there_once(look, own, name, fault):
    """The job succeeds by Spark's retries: each row once, with the pipeline's own scores."""
    run, told, _ = look(name, fault)
    assert "read" not in told
    scores = pd.read_parquet(run.out / f"{fault}.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(scores, own, check_exact=True)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *SURVIVED,
        ("daemon_run", "cancelled"),
        pytest.param("no_daemon_run", "cancelled", marks=pytest.mark.long),
    ],
)
def test_no_scorer_is_left(look, name, fault):
    """Seconds after the job no scorer, no folder of one and no zombie is there."""
    _, told, found = look(name, fault)
    assert told["gone_s"] is not None
    if fault not in ("after_all", "sidecar_killed_idle"):
        assert told["waited_s"] is not None
    if fault not in ("after_all", "sidecar_killed_idle", "cancelled"):
        assert told["hit"]
        assert told["hit_at"] < told["ended"]
    # Far below the default limits, which nothing waited for.
    assert max(one["ended_s"] - one["begun_s"] for one in found) < 60


@pytest.mark.parametrize(
    ("name", "fault", "words"),
    [
        ("daemon_run", "sidecar_killed", rf"ended, together with its sidecar .* on {HOST} {ROWS}"),
        ("daemon_run", "scorer_killed", rf"killed by signal 9 \(SIGKILL\) on {HOST} {ROWS}"),
    ],
)
def test_the_lost_attempt_says_why(look, name, fault, words):
    """Attempts that a killed sidecar or scorer ended tell how, which pipeline, where, and rows.

    Not without a daemon: such a worker leaves while Spark still writes rows to it, and Spark then
    tells of the broken connection, whatever the worker had to say; so with any UDF that raises.
    """
    _, told, found = look(name, fault)
    lost = [errors.from_spark(Exception(one["told"])) for one in found if one["end"] != "Success"]
    lost = [error for error in lost if isinstance(error, errors.SidecarDiedError)]
    assert lost
    assert any(re.search(words, error.message) for error in lost)
    assert all(told["pipeline"] in error.message for error in lost)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("daemon_run", "worker_killed"),
        ("daemon_run", "scorer_killed"),
        ("daemon_run", "daemon_terminated"),
        ("daemon_run", "daemon_killed"),
        ("daemon_run", "cancelled"),
        ("daemon_run", "after_all"),
        pytest.param("no_daemon_run", "worker_killed", marks=pytest.mark.long),
        pytest.param("no_daemon_run", "cancelled", marks=pytest.mark.long),
    ],
)
def test_the_sidecar_outlives_what_is_not_its_executor(look, name, fault):
    """Scorers, workers and daemons come and go: the loaded scorers are the same processes."""
    _, told, _ = look(name, fault)
    assert told["before"]
    assert told["before"].items() <= told["after"].items()


def test_a_sidecar_killed_between_jobs_costs_no_attempt(look):
    """Whoever comes first starts another, the others wait for it: no task fails."""
    _, told, found = look("daemon_run", "sidecar_killed_idle")
    assert [one["end"] for one in found] == ["Success"] * 4
    assert not set(told["before"].values()) & set(told["after"].values())


@pytest.mark.parametrize("name", BOTH)
def test_a_killed_sidecar_is_replaced(look, name):
    """None of those that were killed is there after the job, and another one is."""
    _, told, _ = look(name, "sidecar_killed")
    assert told["after"]
    assert not set(told["hit"]) & set(told["after"].values())


@pytest.mark.long
def test_a_killed_executor_takes_its_sidecars_along(look):
    """Without a daemon between them, too: no sidecar of the executor's place outlives it."""
    _, told, found = look("no_daemon_run", "executor_killed")
    assert any(one["end"] == "ExecutorLostFailure" for one in found)
    assert not told["before"].items() <= told["after"].items()


@pytest.mark.parametrize("name", BOTH)
def test_a_cancelled_job_ends_at_once(look, name):
    """The user reads Spark's own word for it, and no error of ours."""
    _, told, _ = look(name, "cancelled")
    assert "cancelled" in told["read"]
    assert told["error"] is None
    assert told["ended"] - told["hit_at"] < 10


def test_a_stop_in_the_middle_of_a_job_leaves_nothing(daemon_run, nothing_left):
    """spark.stop() from another thread: the job's error is Spark's, and all of ours is gone."""
    found = daemon_run.findings
    assert found["stopping"] >= 2
    assert found["stopped_gone_s"] is not None
    assert found["faults"]["stopped"]["error"] is None
    assert "read" in found["faults"]["stopped"]
    nothing_left(daemon_run)


@pytest.mark.long
def test_a_killed_driver_leaves_nothing(no_daemon_run, nothing_left):
    """SIGKILL of Python and JVM in the middle of a job, without daemons that could notice it."""
    assert "the last job has ended" not in no_daemon_run.stdout
    assert no_daemon_run.gone_s is not None
    nothing_left(no_daemon_run)
