"""Standalone, client mode: a master and two workers, whose executors die, come and go."""

import pandas as pd
import pytest
from cluster.programs.event_log import attempts
from free_port import free_port
from pandas.testing import assert_frame_equal

# That no row is lost when an executor dies is shown in CI by test_local_cluster.py.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

N_FILES = 16


@pytest.fixture(scope="module")
def run(run_program, export, faults, packed_environment, license_file, tmp_path_factory):
    """Two applications, one after the other: with a fixed number of executors, and without."""
    folder = tmp_path_factory.mktemp("files")
    for number in range(N_FILES):
        faults.rows[number::N_FILES].to_parquet(folder / f"{number}.parquet")
    made = run_program(
        "standalone.py",
        {
            "ports": [free_port(), free_port()],
            "pipeline": export(),
            "slow_pipeline": faults.exports["slow"],
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": folder,
        },
        timeout_s=480,
    )
    assert made.exit_code == 0, made.stderr
    return made


@pytest.mark.parametrize("job", ["killed", "barrier", "cpus", "grown", "profile", "decommissioned"])
def test_each_row_has_its_score_once(run, job, export, faults, own_scores):
    """Bit for bit, whatever becomes of executors meanwhile."""
    is_slow = job in ("killed", "grown", "decommissioned")
    path = faults.exports["slow"] if is_slow else export()
    own = own_scores(path, faults.rows).set_index(faults.rows["flight_id"]).sort_index()
    scores = pd.read_parquet(run.out / f"{job}.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(scores, own, check_exact=True)


def test_a_killed_executor_is_replaced_and_scores(run):
    """In the same job: one of each host before and after, and tasks of the new one."""
    found = run.findings
    assert found["n_partitions"] == N_FILES
    assert set(found["before"]) == {"0", "1"}
    assert "2" in found["after"]
    for executors in (found["before"], found["after"]):
        assert {one["host"] for one in executors.values()} == {"127.0.0.2", "127.0.0.3"}
    tasks = attempts(run.out / "fixed")["killed"]
    lost = {one["index"] for one in tasks if one["end"] == "ExecutorLostFailure"}
    assert {one["executor"] for one in tasks if one["index"] in lost} >= {"0"}
    done = [one["executor"] for one in tasks if one["end"] == "Success"]
    assert len(done) == N_FILES
    assert "2" in done


def test_all_tasks_of_a_barrier_run_at_once(run):
    """Four of them, on two executors; none passes the first barrier before the last one comes."""
    tasks = attempts(run.out / "fixed")["barrier"]
    whole = [one for one in tasks if one["stage"] == max(one["stage"] for one in tasks)]
    assert len(whole) == 4
    assert max(one["begun_s"] for one in whole) < min(one["ended_s"] for one in whole)
    assert len({one["executor"] for one in whole}) == 2


def times(task):
    return task["begun_s"], task["ended_s"]


def test_a_profile_of_tasks_and_one_of_executors_are_kept(run):
    """Tasks of two cores run one at a time on each executor; a profile has executors of its own.

    The driver hears of a task's end after the next one has begun, so halves of tasks are compared.
    """
    tasks = [one for one in attempts(run.out / "fixed")["cpus"] if one["end"] == "Success"]
    for executor in {one["executor"] for one in tasks}:
        own = sorted(
            (one["begun_s"], one["ended_s"]) for one in tasks if one["executor"] == executor
        )
        assert len(own) > 1
        halves = [(begun + ended) / 2 for begun, ended in own]
        assert all(half < begun for half, (begun, _) in zip(halves, own[1:]))
    groups = attempts(run.out / "dynamic")
    of_profile = {one["executor"] for one in groups["profile"]}
    assert of_profile.isdisjoint({one["executor"] for one in groups["grown"]})


def test_executors_come_when_tasks_wait_and_go_when_idle(run):
    """From one to two and to none, with their sidecars."""
    grown = attempts(run.out / "dynamic")["grown"]
    assert len({one["executor"] for one in grown}) == 2
    assert run.findings["idle_s"] is not None
    assert run.findings["idle_gone_s"] is not None


def test_a_decommissioned_host_ends_its_tasks_and_is_left(run):
    """Tasks of the job ran there; the worker is gone, and the job ends on the other host."""
    tasks = attempts(run.out / "dynamic")["decommissioned"]
    assert {one["host"] for one in tasks if one["end"] == "Success"} == {"127.0.0.2", "127.0.0.3"}
    # What begins within two seconds may have been on its way.
    later = [one["host"] for one in tasks if one["begun_s"] > run.findings["left"] + 2]
    assert set(later) == {"127.0.0.3"}
    assert run.findings["leaving"]
    assert run.findings["leaving_gone_s"] is not None
    assert run.findings["n_alive"] == 1


def test_nothing_is_left(run, nothing_left):
    """Of an executor that was killed, of one that left, of an application, of the cluster."""
    assert run.findings["n_beside_victim"] >= 2
    for name in ("victim_gone_s", "fixed_gone_s", "dynamic_gone_s"):
        assert run.findings[name] is not None, name
    nothing_left(run)
