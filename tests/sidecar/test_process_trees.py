"""What a pipeline starts ends with the scorer or the sidecar that it belongs to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from processes import processes_of, wait_until
from scoring_calls import batches_of, describe, log_of
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.client.executor import ProcessId
from dai_spark.client.startup.launch import find_or_start
from dai_spark.errors import SidecarDiedError, SidecarStartError, SidecarTimeoutError
from dai_spark.sidecar.log import END
from dai_spark.sidecar.process import process_start_time
from dai_spark.testing.scoring_package.fates import CODE_IN_LOAD, CODE_IN_SCORE

# Processes of the kinds that libraries start: a child, one with a session and no environment of
# ours, the child of a shell, one that prints, and a daemon by two forks.
START = """
import os, subprocess, time
def note(pid, owner=os.getpid()):
    open(os.path.join(os.environ["NOTES"], "%d-%d" % (owner, pid)), "w").close()
def start():
    owner = os.getpid()
    for words in ({}, {"start_new_session": True, "env": {}}):
        note(subprocess.Popen(["sleep", "300"], **words).pid, owner)
    note(subprocess.Popen(["sh", "-c", "sleep 300; true"], start_new_session=True).pid, owner)
    if os.fork() == 0:
        note(os.getpid(), owner)
        while True:
            os.write(1, b"a child prints\\n")
            time.sleep(0.1)
    daemon = os.fork()
    if daemon == 0:
        os.setsid()
        if os.fork() == 0:
            note(os.getpid(), owner)
            time.sleep(300)
        os._exit(0)
    os.waitpid(daemon, 0)
"""
N_STARTED = 5
IN_LOAD = START + "start()"
# Not in the trial fork, which scores a row as well.
IN_SCORE = START + "if 'scorer-' in os.getcwd(): start()"


@pytest.fixture
def notes(tmp_path):
    """A folder in which a pipeline's processes note themselves; what is left of them is killed."""
    folder = tmp_path / "notes"
    folder.mkdir()
    yield folder
    for pid in (pid for pids in started(folder).values() for pid in pids):
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def started(notes):
    """Process ids of what was started, by the process that started it."""
    found = defaultdict(set)
    for path in notes.iterdir():
        owner, pid = path.name.split("-")
        found[int(owner)].add(int(pid))
    return found


def lives(pid):
    return process_start_time(pid) is not None


def any_lives(pids):
    return any(lives(pid) for pid in pids)


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def sidecar_of(executor):
    """Process id of the one sidecar."""
    (path,) = executor.folder.glob("*/ready.json")
    return json.loads(path.read_text())["pid"]


@pytest.fixture
def told(plan, export, notes):
    """A function: the plan of a pipeline that does what it is told."""

    def make(in_load="", in_score="", **options):
        variables = {"NOTES": str(notes), CODE_IN_LOAD: in_load, CODE_IN_SCORE: in_score}
        return plan(export(fate="as_told"), env_vars=variables, **options)

    return make


# -- the sidecar's tree ------------------------------------------------------------------------


def _delete(executor, sidecar):
    subprocess.run(["rm", "-rf", str(executor.folder)], check=True, timeout=20)
    executor.folder.mkdir(mode=0o700)


def _kill(executor, sidecar):
    os.kill(sidecar, signal.SIGKILL)


def _terminate(executor, sidecar):
    os.kill(sidecar, signal.SIGTERM)


def _kill_guard(executor, sidecar):
    os.kill(parent_of(sidecar), signal.SIGKILL)


def _terminate_guard(executor, sidecar):
    os.kill(parent_of(sidecar), signal.SIGTERM)


def _let_idle(executor, sidecar):
    pass


@pytest.mark.parametrize(
    ("end", "options"),
    [
        (_delete, {}),
        (_kill, {}),
        (_terminate, {}),
        (_kill_guard, {}),
        (_terminate_guard, {"start_method": "spawn"}),
        (_let_idle, {"idle_timeout_s": 0.5}),
    ],
)
def test_all_that_was_started_ends_with_the_sidecar(told, executor, flights, notes, end, options):
    """In `Scorer()` and in `score_batch`, whatever sessions it began, however the sidecar ends."""
    made = describe(told(IN_LOAD, IN_SCORE, **options), executor)
    score_frame(made, executor, flights.head(10))
    sidecar = sidecar_of(executor)
    guard = parent_of(sidecar)
    pids = {pid for found in started(notes).values() for pid in found}
    assert len(pids) >= 2 * N_STARTED
    assert lives(guard)
    end(executor, sidecar)
    assert wait_until(lambda: not any_lives([sidecar, guard, *pids]), 5)
    assert processes_of(str(executor.folder)) == {}
    if end is not _delete:
        # A child that held the log's pipe kept nobody.
        assert end is _kill_guard or log_of(executor).rstrip().endswith(END)
        assert not list(executor.folder.glob("*/"))


def test_a_killed_sidecar_is_followed_at_once_though_its_child_lived_on(
    told, executor, flights, notes
):
    """A child forked in `Scorer()` holds neither lock nor socket, and ends."""
    made = describe(told(IN_LOAD), executor)
    sidecar = sidecar_of(executor)
    left = started(notes)[sidecar]
    assert len(left) == N_STARTED
    # The trial fork has ended, and with it none of these.
    assert all(lives(pid) for pid in left)
    os.kill(sidecar, signal.SIGKILL)
    begun = time.monotonic()
    assert len(score_frame(made, executor, flights.head(10))) == 10
    assert time.monotonic() - begun < 15
    assert sidecar_of(executor) != sidecar
    assert not any_lives(left)


def test_a_pipeline_that_kills_its_process_group_kills_its_own(told, executor, flights, described):
    """Neither the other scorers nor the sidecar."""
    code = "import os, signal\nif 'scorer-' in os.getcwd(): os.killpg(os.getpgrp(), signal.SIGKILL)"
    made = told(in_score=code).with_description(described)
    with Connection(made, executor):
        sidecar = sidecar_of(executor)
        with pytest.raises(SidecarDiedError, match="SIGKILL"):
            score_frame(made, executor, flights.head(10))
    assert lives(sidecar)
    assert lives(parent_of(sidecar))


# -- a scorer's tree ---------------------------------------------------------------------------


def _leave(connection):
    connection.close()


def _kill_scorer(connection):
    os.kill(connection._pid, signal.SIGKILL)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
@pytest.mark.parametrize("end", [_leave, _kill_scorer])
def test_what_a_scorer_has_started_ends_with_it_and_nothing_else_does(
    told, executor, flights, notes, described, start_method, end
):
    """What another scorer started lives on, and what the pipeline started while it loaded."""
    made = told(IN_LOAD, IN_SCORE, start_method=start_method).with_description(described)
    (batch,) = batches_of(flights.head(10))
    with Connection(made, executor) as one, Connection(made, executor) as other:
        for connection in (one, other):
            connection.send_batch(batch.select(list(made.wanted())), 0)
            connection.receive_batch("rows 0-9")
        left = started(notes)
        own, others = left.pop(one._pid), left.pop(other._pid)
        assert {len(own), len(others)} == {N_STARTED * (1 if start_method == "fork" else 2)}
        assert set(map(len, left.values())) == ({N_STARTED} if start_method == "fork" else set())
        end(one)
        assert wait_until(lambda: not any_lives([one._pid, *own]), 5)
        kept = [other._pid, *others, *(pid for found in left.values() for pid in found)]
        assert all(lives(pid) for pid in kept)
        other.send_batch(batch.select(list(made.wanted())), 10)
        assert len(other.receive_batch("rows 10-19")) == 10


def test_a_process_that_a_scorer_has_forked_holds_no_turn(told, executor, flights, notes):
    """With `max_scorers`: the next task scores while the scorer before waits, and its child."""
    made = describe(told(in_score=IN_SCORE, max_scorers=1, start_timeout_s=5), executor)
    for _ in range(3):
        assert len(score_frame(made, executor, flights.head(10))) == 10
        time.sleep(0.1)


# -- while it loads ----------------------------------------------------------------------------

HANG = IN_LOAD + "\ntime.sleep(300)"


def wait_for_notes(notes):
    assert wait_until(lambda: len(list(notes.iterdir())) == N_STARTED, 20)
    ((loading, pids),) = started(notes).items()
    return loading, pids


def test_a_load_that_hangs_ends_with_its_owner(told, executor, notes):
    """Sidecar, guard, folder and what was started; nobody waits for the load any more."""
    made = told(HANG)
    place = executor.folder / "place"
    place.mkdir(mode=0o700)
    with subprocess.Popen(["sleep", "300"]) as owner, ThreadPoolExecutor(1) as threads:
        its = replace(executor, folder=place, owner=ProcessId.of(owner.pid))
        starting = threads.submit(find_or_start, made, its)
        loading, pids = wait_for_notes(notes)
        guard = parent_of(loading)
        owner.kill()
        assert wait_until(lambda: not any_lives([loading, guard, *pids]), 5)
        # Who still waits for the load has no place to start another in.
        assert isinstance(starting.exception(5), SidecarStartError)
    assert not place.exists()


STARTER = """
import pickle, sys
from dai_spark.client.startup.launch import find_or_start
find_or_start(*pickle.load(sys.stdin.buffer))
"""


def test_a_load_that_hangs_ends_in_time_though_who_started_it_is_killed(told, executor, notes):
    """A task's worker is killed, its executor lives: the next task is told, as by the worker."""
    import pickle

    made = told(HANG, start_timeout_s=3)
    with subprocess.Popen([sys.executable, "-c", STARTER], stdin=subprocess.PIPE) as starter:
        pickle.dump((made, executor), starter.stdin)
        starter.stdin.close()
        loading, pids = wait_for_notes(notes)
        guard = parent_of(loading)
        starter.kill()
    assert wait_until(lambda: not any_lives([loading, guard, *pids]), 8)
    begun = time.monotonic()
    with pytest.raises(SidecarTimeoutError, match="was not loaded within 3 s"):
        find_or_start(made, executor)
    assert time.monotonic() - begun < 1
    (run_folder,) = executor.folder.glob("*/")
    assert {path.name for path in run_folder.iterdir()} == {"loading", "verdict.json"}


def test_a_load_that_hangs_is_ended_by_its_client_with_all_that_it_started(told, executor, notes):
    """At the client's own limit."""
    with pytest.raises(SidecarTimeoutError):
        find_or_start(told(HANG, start_timeout_s=3), executor)
    ((loading, pids),) = started(notes).items()
    assert wait_until(lambda: not any_lives([loading, *pids]), 3)


# -- idle --------------------------------------------------------------------------------------


def test_calls_meet_a_sidecar_that_leaves(told, executor, flights, described):
    """It takes a folder of many files away: who calls meanwhile waits, and has another one."""
    many = "for n in range(30000): open('%d' % n, 'w').close()"
    made = told(many, idle_timeout_s=0.5, start_method="fork").with_description(described)
    score_frame(made, executor, flights.head(10))
    (run_folder,) = executor.folder.glob("*/")

    def leaves():
        try:
            return len(list((run_folder / "load").iterdir())) < 30000
        except OSError:
            return True

    def score():
        return len(score_frame(made, executor, flights.head(10)))

    assert wait_until(leaves, 20)
    with ThreadPoolExecutor(14) as threads:
        found = []
        for _ in range(14):
            found.append(threads.submit(score))
            time.sleep(0.05)
        assert [one.result(30) for one in found] == [10] * 14


# -- the log -----------------------------------------------------------------------------------


def test_a_stopped_guard_blocks_no_scorer(told, executor, flights, described):
    """What is printed meanwhile is lost; the log goes on where it goes on."""
    code = "print('x' * 1000000)"
    made = told(in_score=code, batch_timeout_s=5).with_description(described)
    score_frame(made, executor, flights.head(10))
    guard = parent_of(sidecar_of(executor))
    os.kill(guard, signal.SIGSTOP)
    try:
        assert len(score_frame(made, executor, flights.head(10))) == 10
    finally:
        os.kill(guard, signal.SIGCONT)
    assert len(score_frame(made, executor, flights.head(20))) == 20
    assert wait_until(lambda: "has finished: 20 rows" in log_of(executor), 5)
