"""A pipeline that does not load: told once with its cause, and remembered for who comes next."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import processes_of, wait_until
from scoring_calls import describe, log_of
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.errors import SidecarStartError, SidecarTimeoutError

ENDS = {
    "exit_in_load": "left with exit code 70",
    "leave_in_load": "left with exit code 0",
    "segfault_in_load": r"was killed by signal 11 \(SIGSEGV\)",
}


def n_loads(executor):
    return log_of(executor).count("stand-in: loading, line 1 of ")


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
@pytest.mark.parametrize("fate", [*ENDS, "raise_in_load"])
def test_a_load_that_ends_its_process_is_told_once_whatever_the_start_method(
    plan, executor, export, fate, start_method
):
    """One load; the cause is known; who comes next is told the same within 100 ms."""
    words = ENDS.get(fate, r"Scorer\(\) of pipeline .* RuntimeError: stand-in: raise_in_load")
    made = plan(export(fate=fate), start_method=start_method)
    for attempt in range(3):
        begun = time.monotonic()
        with pytest.raises(SidecarStartError, match=words):
            describe(made, executor)
        assert attempt == 0 or time.monotonic() - begun < 0.1
    assert n_loads(executor) == 1


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_tasks_that_wait_for_a_load_that_crashes_share_its_verdict(
    plan, executor, export, start_method
):
    """Four at once: with fork one load for all; with spawn each had begun its own."""
    path = export(fate="segfault_in_load", load_seconds=0.5)
    made = plan(path, start_method=start_method)
    with ThreadPoolExecutor(4) as tasks:
        calls = [tasks.submit(describe, made, executor) for _ in range(4)]
        errors = [call.exception() for call in calls]
    for error in errors:
        assert isinstance(error, SidecarStartError)
        assert "was killed by signal 11 (SIGSEGV)" in error.message
    assert n_loads(executor) <= (1 if start_method == "fork" else 4)


def test_a_spawned_scorer_that_hung_in_its_load_is_not_waited_for_again(plan, executor, export):
    """As where the sidecar itself loads."""
    made = plan(export(fate="hang_in_load"), start_method="spawn", start_timeout_s=2)
    with pytest.raises(SidecarTimeoutError):
        describe(made, executor)
    begun = time.monotonic()
    with pytest.raises(SidecarTimeoutError, match="not loaded within 2 s"):
        describe(made, executor)
    assert time.monotonic() - begun < 0.1


def test_a_load_that_was_killed_from_outside_is_tried_again(plan, executor, export, flights):
    """SIGKILL says nothing of the pipeline: whoever sent it, or too little memory."""
    made = plan(export(load_seconds=1.0), start_method="spawn")
    pids = []

    def kill():
        wait_until(lambda: executor.folder.glob("*/ready.json"), 20)
        wait_until(lambda: pids.extend(spawned(executor)) or pids, 20)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SidecarStartError, match=r"was killed by signal 9 \(SIGKILL\)"):
        describe(made, executor)
    killer.join()
    assert len(score_frame(describe(made, executor), executor, flights.head(10))) == 10


def spawned(executor):
    """Processes that load for themselves."""

    def works_here(pid):
        try:
            return str(executor.folder) in str(Path(f"/proc/{pid}/cwd").readlink())
        except OSError:
            return False

    return [pid for pid in processes_of("--scorer") if works_here(pid)]


def test_a_load_that_fails_behind_one_that_did_not_is_tried_again(plan, executor, export, flights):
    """What has loaded here once can load: another load failed of something else, as of memory."""
    made = plan(export(load_seconds=1.0), start_method="spawn")
    with Connection(made, executor) as connection:
        made = made.with_description(connection.describe())
        pids = spawned(executor)

        def kill():
            wait_until(lambda: set(spawned(executor)) - set(pids), 20)
            (pid,) = set(spawned(executor)) - set(pids)
            os.kill(pid, signal.SIGSEGV)

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(SidecarStartError, match=r"was killed by signal 11"):
            score_frame(made, executor, flights.head(10))
        killer.join()
        assert len(score_frame(made, executor, flights.head(10))) == 10
