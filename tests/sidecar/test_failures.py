"""Every way a scorer can fail, in loading and in scoring, and what the user reads."""

import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from processes import wait_until
from scoring_calls import batches_of, describe, log_of
from scoring_calls import score as score_frame

from dai_spark.client.score import score_batches
from dai_spark.client.startup import launch
from dai_spark.errors import (
    ScoringError,
    SidecarDiedError,
    SidecarStartError,
    SidecarTimeoutError,
)
from dai_spark.host.file_lock import try_lock
from dai_spark.testing import MARK_TEXT
from dai_spark.unpack.folders import environment_folder

# -- failing -----------------------------------------------------------------------------------


def marked(flights, at, n_rows=3000):
    frame = flights.head(n_rows).copy()
    frame.loc[at, "carrier"] = MARK_TEXT
    return frame


def test_a_batch_that_fails_is_told_with_its_rows_and_the_others_are_scored(
    plan, executor, export, flights
):
    """Answers or failures, in order, each with its row range; the traceback is the pipeline's."""
    made = describe(plan(export(fate="raise_in_score")), executor)
    found = list(score_batches(made, batches_of(marked(flights, 1500)), executor))
    assert [(s.first_row, s.answer is not None) for s in found] == [
        (0, True),
        (1000, False),
        (2000, True),
    ]
    error = found[1].error
    assert isinstance(error, ScoringError)
    assert "rows 1000-1999 of partition 3 (stage 1, attempt 0) on this-host" in error.message
    assert str(made.pipeline.label) in error.message
    assert "Traceback" in error.details
    assert "score_batch" in error.details


def test_a_load_that_fails_tells_of_libraries_where_it_is_asked(plan, executor, export):
    """Behind the pipeline's own traceback; the verdict of the load before does not stand for it."""
    path = export(fate="raise_in_load")
    for diagnose in (False, True):
        with pytest.raises(SidecarStartError) as raised:
            describe(plan(path, diagnose=diagnose), executor)
        assert "Traceback" in raised.value.details
        assert ("LD_LIBRARY_PATH" in raised.value.details) is diagnose
    told = raised.value.details
    assert re.search(r"^    gomp: \S+", told, re.MULTILINE)
    assert re.search(r"^    /\S+/numpy/core/_multiarray_umath\S+\.so$", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("segfault_in_score", r"was killed by signal 11 \(SIGSEGV\)"),
        ("exit_in_score", "left with exit code 70"),
    ],
)
def test_a_scorer_that_dies_is_noticed_at_once(plan, executor, export, flights, fate, words):
    """The signal or exit code, pipeline, host and rows are told; nobody waits for a time-out."""
    made = describe(plan(export(fate=fate), batch_timeout_s=60), executor)
    begun = time.monotonic()
    with pytest.raises(SidecarDiedError, match=words) as caught:
        score_frame(made, executor, marked(flights, 1500))
    assert time.monotonic() - begun < 20
    assert "rows 1000-1999 of partition 3" in caught.value.message
    assert "this-host" in caught.value.message
    # The loaded scorer is not lost: the next task is served without another load.
    assert len(score_frame(made, executor, flights.head(10))) == 10
    assert log_of(executor).count("Scorer() constructed") == 1


def test_a_scorer_that_hangs_is_given_up_after_the_limit(plan, executor, export, flights):
    """The option to raise is named, and the hanging process is ended."""
    made = describe(plan(export(fate="hang_in_score"), batch_timeout_s=1.5), executor)
    with pytest.raises(SidecarTimeoutError, match="no answer for 1.5 s .*raise batch_timeout_s"):
        score_frame(made, executor, marked(flights, 10))
    assert wait_until(lambda: not list(executor.folder.glob("*/scorer-[0-9]*")), 10)


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("raise_in_load", r"Scorer\(\) of pipeline .* failed on this-host"),
        ("exit_in_load", "left with exit code 70 on this-host before its scorer was loaded"),
        ("segfault_in_load", r"was killed by signal 11 \(SIGSEGV\)"),
        ("needs_recipe_server", "needs the H2O-3 recipe server, which dai_spark does not run"),
    ],
)
def test_a_pipeline_that_does_not_load_says_why(plan, executor, export, fate, words):
    """Each way of not coming up has a sentence that stands alone."""
    with pytest.raises(SidecarStartError, match=words) as caught:
        describe(plan(export(fate=fate)), executor)
    assert caught.value.details


def test_a_failed_load_is_remembered_for_the_retry(plan, executor, export):
    """Spark tries again at once; the second attempt is told the same without loading again."""
    made = plan(export(fate="raise_in_load", load_seconds=0.5))
    with pytest.raises(SidecarStartError) as first:
        describe(made, executor)
    begun = time.monotonic()
    with pytest.raises(SidecarStartError) as second:
        describe(made, executor)
    assert time.monotonic() - begun < 0.25
    assert first.value.text == second.value.text


def test_tasks_that_come_after_a_kill_wait_for_the_new_sidecar(plan, executor, monkeypatch):
    """One starts it, however long that takes; the others do not call where the dead one listened.

    Unpacking is what takes long on a real host; here it is a pause.
    """
    made = describe(plan(), executor)
    (ready,) = executor.folder.glob("*/ready.json")
    sidecar = json.loads(ready.read_text())["pid"]
    os.kill(sidecar, signal.SIGKILL)
    assert wait_until(lambda: not Path(f"/proc/{sidecar}").exists())

    def slowly(*arguments):
        time.sleep(1)
        return environment_folder(*arguments)

    monkeypatch.setattr(launch, "environment_folder", slowly)
    with ThreadPoolExecutor(4) as tasks:
        found = list(tasks.map(lambda _: describe(made, executor).described, range(4)))
    assert [one.columns for one in found] == [made.described.columns] * 4
    assert log_of(executor).count("Scorer() constructed") == 2


def test_a_task_that_finds_a_dead_sidecars_lock_held_for_a_moment_waits(plan, executor):
    """A process that ends closes its socket before its lock; another task may hold it as well."""
    made = describe(plan(), executor)
    (ready,) = executor.folder.glob("*/ready.json")
    os.kill(json.loads(ready.read_text())["pid"], signal.SIGKILL)
    (path,) = executor.folder.glob("*.lock")
    held = []
    assert wait_until(lambda: held.append(try_lock(path)) or held[-1] is not None)
    threading.Timer(0.15, os.close, held[-1:]).start()
    assert describe(made, executor).described.columns == made.described.columns


def test_a_load_that_hangs_is_given_up_after_the_limit(plan, executor, export):
    """The option to raise is named, the process ended."""
    made = plan(export(fate="hang_in_load"), start_timeout_s=2)
    with pytest.raises(SidecarTimeoutError, match="not loaded within 2 s .*raise start_timeout_s"):
        describe(made, executor)


def test_a_load_that_hung_is_not_waited_for_again(plan, executor, export):
    """A retry is refused at once by the verdict of the first; one with more time tries again."""
    path = export(fate="hang_in_load")
    with pytest.raises(SidecarTimeoutError):
        describe(plan(path, start_timeout_s=1.5), executor)
    begun = time.monotonic()
    with pytest.raises(SidecarTimeoutError, match=r"not loaded within 1\.5 s"):
        describe(plan(path, start_timeout_s=1.5), executor)
    assert time.monotonic() - begun < 1
    begun = time.monotonic()
    with pytest.raises(SidecarTimeoutError, match="not loaded within 2 s"):
        describe(plan(path, start_timeout_s=2), executor)
    assert time.monotonic() - begun > 1.5


@pytest.mark.parametrize("fate", ["refuses_fork", "refuses_fork_by_raising"])
def test_a_pipeline_that_does_not_bear_a_fork_is_spawned(plan, executor, export, flights, fate):
    """The trial fork hangs or fails, so every connection loads its own; scores are the same."""
    made = describe(plan(export(fate=fate), start_timeout_s=10), executor)
    assert made.described.start_method == "spawn"
    found = score_frame(made, executor, flights.head(50))
    whole = describe(plan(), executor)
    assert whole.described.start_method == "fork"
    np.testing.assert_array_equal(found, score_frame(whole, executor, flights.head(50)))


def test_spawn_can_be_forced(plan, executor):
    """`start_method="spawn"` loads in each connection and never in the sidecar itself."""
    made = plan(start_method="spawn")
    for _ in range(2):
        assert describe(made, executor).described.start_method == "spawn"
    assert log_of(executor).count("Scorer() constructed") == 2


def test_a_spawned_scorer_that_does_not_load_says_why(plan, executor, export):
    """The verdict of a spawned scorer reaches its client over the connection."""
    with pytest.raises(SidecarStartError, match=r"Scorer\(\) of pipeline"):
        describe(plan(export(fate="raise_in_load"), start_method="spawn"), executor)
