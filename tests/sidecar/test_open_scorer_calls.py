"""Calls of many threads on few scorers: turns, limits, and scorers that end under a call."""

import asyncio
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from local_scorers import lives, scorers, sidecar_of
from pandas.testing import assert_frame_equal
from processes import wait_until

from dai_spark import open_scorer
from dai_spark.errors import (
    OptionError,
    ScorerBusyError,
    ScoringError,
    SidecarDiedError,
    SidecarTimeoutError,
)
from dai_spark.local import connection_pool
from dai_spark.testing import MARKS

SCORE_S = 0.25


@pytest.fixture(scope="module")
def opened(export, packed_environment, license_text):
    """A function that opens a handle on a pipeline that is slow and has every fate in scoring."""
    path = export(fate="mixed_in_score", score_seconds=SCORE_S)

    def open_it(**words):
        return open_scorer(path, packed_environment, license=license_text, **words)

    return open_it


@pytest.fixture(scope="module")
def scorer(opened):
    """The handle that most tests of this file share: two scorers."""
    with opened(max_scorers=2) as scorer:
        yield scorer


@pytest.fixture(autouse=True)
def rested(scorer):
    """Each test finds and leaves a handle on which nobody scores or waits."""
    yield
    pool = scorer._pool
    assert wait_until(lambda: not pool._lent and not pool._waiting and not pool._opening.total())


@pytest.fixture
def sidecar(scorer):
    """The sidecar's process id."""
    return sidecar_of(scorer)


def log_of(scorer):
    """All that the handle's sidecar has printed."""
    return "".join(path.read_text() for path in scorer._pool.executor.folder.glob("*.log"))


def marked(flights, fate):
    """Ten rows, of which the fourth has a fate."""
    rows = flights.head(10).copy()
    rows.loc[3, "carrier"] = MARKS[f"{fate}_in_score"]
    return rows


def in_background(scorer, rows, **words):
    """Start a call in a thread of its own; its future, when a scorer has begun with it."""
    before = log_of(scorer).count("scores rows")
    pool = ThreadPoolExecutor(1)
    call = pool.submit(scorer.score, rows, **words)
    pool.shutdown(wait=False)
    assert wait_until(lambda: log_of(scorer).count("scores rows") > before or call.done())
    return call


class Watch:
    """The most scorers that a sidecar had at a time, while a block runs."""

    def __init__(self, sidecar):
        self._sidecar = sidecar
        self._done = threading.Event()
        self.most = 0

    def _look(self):
        while not self._done.wait(0.005):
            self.most = max(self.most, len(scorers(self._sidecar)))

    def __enter__(self):
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._thread.join(10)


# -- turns -------------------------------------------------------------------------------------


def test_many_threads_share_two_scorers(scorer, sidecar, flights):
    """Each gets its own rows' scores, and there are never more than two children."""
    parts = [flights.iloc[20 * n : 20 * n + 20] for n in range(16)]
    with Watch(sidecar) as watch, ThreadPoolExecutor(16) as threads:
        begun = time.monotonic()
        found = list(threads.map(scorer.score, parts))
        took_s = time.monotonic() - begun
    assert watch.most == 2
    assert took_s > 8 * SCORE_S
    for part, one in zip(parts, found):
        assert list(one.index) == list(part.index)
    whole = scorer.score(flights.head(320))
    for part, one in zip(parts, found):
        assert_frame_equal(one, whole.loc[part.index], check_exact=True)


def test_calls_have_their_turn_in_order(scorer, flights):
    """Also where they ask for what no open connection gives: a scorer is finished for them."""
    done = []
    rows = flights.head(5)
    scorer.describe(margin=True)

    def call(number):
        scorer.score(rows, margin=number % 3 == 0)
        done.append(number)

    busy = [in_background(scorer, flights.head(80), batch_rows=10) for _ in range(2)]
    threads = []
    for number in range(9):
        threads.append(threading.Thread(target=call, args=(number,)))
        threads[-1].start()
        assert wait_until(lambda n=number: len(scorer._pool._waiting) == n + 1)
    for thread in threads:
        thread.join(30)
    assert [call.result(0) is not None for call in busy] == [True, True]
    # Two score at a time, and a pair may end in either order.
    assert all(abs(executor - number) <= 1 for executor, number in enumerate(done)), done


def test_handles_of_one_content_share_scorers_and_their_limit(scorer, opened, sidecar, flights):
    """A second handle starts no sidecar, and waits for no idle connection of the first."""
    rows = flights.head(5)
    with opened(labels=True) as other, Watch(sidecar) as watch:
        assert sidecar_of(other) == sidecar
        with ThreadPoolExecutor(6) as threads:
            calls = [threads.submit(one.score, rows) for one in (scorer, other) * 3]
            assert sum("label" in call.result(30).columns for call in calls) == 3
        assert other.metrics().n_tasks == 3
    assert watch.most == 2
    assert len(scorer.score(rows)) == 5
    with opened(max_scorers=1) as narrow, Watch(sidecar) as watch:
        begun = time.monotonic()
        with ThreadPoolExecutor(4) as threads:
            wait([threads.submit(one.score, rows) for one in (scorer, narrow) * 2])
        assert time.monotonic() - begun > 4 * SCORE_S


def test_a_worn_connection_is_finished_in_order(scorer, sidecar, flights, monkeypatch):
    """So that the sidecar's own checks of a scorer go on; no call fails or meets a third scorer."""
    monkeypatch.setattr(connection_pool, "_MOST_CALLS", 2)
    before = log_of(scorer).count("has finished")
    with Watch(sidecar) as watch, ThreadPoolExecutor(4) as threads:
        assert len(list(threads.map(scorer.score, [flights.head(3)] * 12))) == 12
    assert log_of(scorer).count("has finished") - before >= 5
    assert watch.most == 2


def test_a_scorer_retires_after_its_batches(scorer, sidecar, flights):
    """`max_batches_per_scorer` works through the handle, within a call and between calls."""
    before = log_of(scorer).count("retires")
    rows = flights.head(40)
    whole = scorer.score(rows)
    found = scorer.score(rows, max_batches_per_scorer=2, batch_rows=10)
    assert_frame_equal(found, whole, check_exact=True)
    for _ in range(2):
        scorer.score(rows, max_batches_per_scorer=2)
    assert log_of(scorer).count("retires") - before >= 2


def test_idle_scorers_go_but_one(opened, scorer, flights, monkeypatch):
    """After a while; the one that stays goes when a sidecar would end for idleness."""
    monkeypatch.setattr(connection_pool, "_SWEEP_S", 0.1)
    monkeypatch.setattr(connection_pool, "_KEEP_IDLE_S", 0.3)
    pool = connection_pool.ConnectionPool(scorer._pool.executor, lambda: None)
    pool.join("a user", 2)
    asked = scorer._asked_for(scorer._plan.options)
    plans = [asked.plan] * 2
    lent = [pool.ask("a user", plan, asked.of_connection).future.result(10) for plan in plans]
    for pooled in lent:
        pool.release(pooled, is_clean=True)
    assert len(pool._idle) == 2
    assert wait_until(lambda: len(pool._idle) == 1 and pool._n_open == 1, 5)
    time.sleep(0.5)
    assert len(pool._idle) == 1
    pool._idle[0].idle_since -= scorer._plan.options.idle_timeout_s
    assert wait_until(lambda: pool._n_open == 0, 5)


# -- limits ------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_ends_with_its_scorer_alone(scorer, sidecar, flights):
    """Its limit is named, it is kept, and the call beside it gets its scores."""
    beside = in_background(scorer, flights.head(50), batch_rows=10)
    begun = time.monotonic()
    with pytest.raises(SidecarTimeoutError, match=r"no answer within timeout_s=0\.4 s"):
        scorer.score(marked(flights, "hang"), timeout_s=0.4)
    assert time.monotonic() - begun < 0.8
    assert len(beside.result(30)) == 50
    assert len(scorer.score(flights.head(3), timeout_s=20)) == 3
    assert wait_until(lambda: len(scorers(sidecar)) <= 2)


def test_a_call_for_which_no_scorer_is_free_in_time_is_told(scorer, flights):
    """By the limit that was over first, and in its place of the queue comes the next."""
    busy = [in_background(scorer, flights.head(50), batch_rows=10) for _ in range(2)]
    rows = flights.head(3)
    with pytest.raises(ScorerBusyError, match=r"free within queue_timeout_s=0\.1 s"):
        scorer.score(rows, queue_timeout_s=0.1, timeout_s=30)
    with pytest.raises(ScorerBusyError, match=r"free within timeout_s=0\.2 s"):
        scorer.score(rows, queue_timeout_s=30, timeout_s=0.2)
    assert len(scorer.score(rows, queue_timeout_s=30)) == 3
    assert all(len(call.result(30)) == 50 for call in busy)


def test_no_more_calls_wait_than_may(opened, scorer, flights):
    """The one too many is refused at once; a scorer that is free is no queue."""
    with opened(max_waiting=1) as bounded:
        busy = [in_background(scorer, flights.head(50), batch_rows=10) for _ in range(2)]
        waiting = in_background_waiting(bounded, flights.head(3))
        begun = time.monotonic()
        with pytest.raises(ScorerBusyError, match="as many as max_waiting=1 allows"):
            bounded.score(flights.head(3))
        assert time.monotonic() - begun < 0.2
        assert len(waiting.result(30)) == 3
        wait(busy, 30)
    with opened(max_waiting=0) as never_waits:
        assert len(never_waits.score(flights.head(3))) == 3
    with pytest.raises(OptionError, match="max_waiting=-1 must be"):
        opened(max_waiting=-1)


def in_background_waiting(scorer, rows):
    """Start a call that has to wait; its future, when it does."""
    pool = ThreadPoolExecutor(1)
    call = pool.submit(scorer.score, rows)
    pool.shutdown(wait=False)
    assert wait_until(lambda: scorer._pool._waiting)
    return call


# -- scorers that end --------------------------------------------------------------------------


def test_a_scorer_that_is_killed_fails_its_call_and_is_replaced(scorer, sidecar, flights):
    """With the cause; one that was killed while idle fails nobody."""
    call = in_background(scorer, flights.head(50), batch_rows=10)
    for pooled in list(scorer._pool._lent):
        os.kill(pooled.connection._pid, signal.SIGKILL)
    with pytest.raises(SidecarDiedError, match=r"killed by signal 9 \(SIGKILL\)"):
        call.result(30)
    assert len(scorer.score(flights.head(3))) == 3
    idle = scorers(sidecar)
    # Stopped, the sidecar does not know of their end, nor close their connections.
    os.kill(sidecar, signal.SIGSTOP)
    for pid in idle:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(lives(pid) for pid in idle))
    going_on = threading.Timer(0.3, os.kill, (sidecar, signal.SIGCONT))
    going_on.start()
    assert len(scorer.score(flights.head(3))) == 3
    going_on.join()
    assert sidecar_of(scorer) == sidecar


def test_a_crash_in_the_pipeline_is_told_and_the_next_call_has_another_scorer(scorer, flights):
    """A segmentation fault of native code ends one child, never the model."""
    loads = log_of(scorer).count("Scorer() constructed")
    with pytest.raises(SidecarDiedError, match=r"killed by signal 11 \(SIGSEGV\)"):
        scorer.score(marked(flights, "segfault"))
    assert len(scorer.score(flights.head(3))) == 3
    assert log_of(scorer).count("Scorer() constructed") == loads


def test_a_scorer_that_raised_never_scores_again(scorer, flights):
    """The pipeline's own error, and a process that is gone, also where another batch was on it."""
    rows = flights.head(17).copy()
    rows.loc[13, "carrier"] = MARKS["raise_in_score"]
    # The log names them, and no other call of this file has such rows.
    for words, named in (({}, "rows 0-16"), ({"batch_rows": 5}, "rows 10-14")):
        with pytest.raises(ScoringError, match="stand-in: raise_in_score") as raised:
            scorer.score(rows, **words)
        assert "Traceback" in raised.value.details
        line = rf"scorer (\d+) scores {named} of"
        # Another process writes the log, a moment later.
        assert wait_until(lambda line=line: re.search(line, log_of(scorer)), 5)
        (pid,) = map(int, re.findall(line, log_of(scorer)))
        assert wait_until(lambda pid=pid: not lives(pid), 5)
    assert len(scorer.score(flights.head(3))) == 3


def test_a_killed_sidecar_is_started_anew_by_the_next_call(scorer, sidecar, flights):
    """It fails the calls that were on it, and no call behind them."""
    call = in_background(scorer, flights.head(50), batch_rows=10)
    os.kill(sidecar, signal.SIGKILL)
    with pytest.raises(SidecarDiedError, match="together with its sidecar"):
        call.result(30)
    assert len(scorer.score(flights.head(3))) == 3
    new = sidecar_of(scorer)
    assert new not in (None, sidecar)
    os.kill(new, signal.SIGKILL)
    assert wait_until(lambda: not lives(new))
    assert len(scorer.score(flights.head(3))) == 3


# -- asyncio -----------------------------------------------------------------------------------


def test_a_cancelled_task_ends_its_scorer_and_leaves_the_handle_usable(scorer, sidecar, flights):
    """While it is scored, and while it waits for a scorer."""

    async def lent():
        for _ in range(1000):
            pids = [pooled.connection._pid for pooled in list(scorer._pool._lent)]
            if pids:
                return pids
            await asyncio.sleep(0.01)
        raise AssertionError("no scorer was lent within ten seconds")

    async def cancelled(wait):
        task = asyncio.create_task(scorer.score_async(flights.head(50), batch_rows=10))
        found = await wait
        task.cancel()
        begun = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun < 0.1
        return found

    async def run():
        pids = await cancelled(lent())
        assert len(pids) == 1
        busy = [asyncio.create_task(scorer.score_async(flights.head(5))) for _ in range(2)]
        await asyncio.sleep(0.02)
        # They may still wait, for the room of the scorer that was ended.
        before = set(scorer._pool._waiting)
        await cancelled(asyncio.sleep(0.05))
        assert set(scorer._pool._waiting) <= before
        for one in busy:
            assert len(await one) == 5
        return pids

    pids = asyncio.run(run())
    assert wait_until(lambda: not any(lives(pid) for pid in pids), 5)
    assert len(scorer.score(flights.head(3))) == 3


def test_a_task_has_the_limits_of_a_call(scorer, flights):
    """Of the whole call, and of the wait for a scorer."""

    async def run():
        with pytest.raises(SidecarTimeoutError, match=r"within timeout_s=0\.4 s"):
            await scorer.score_async(marked(flights, "hang"), timeout_s=0.4)
        rows = flights.head(50)
        calls = [scorer.score_async(rows, batch_rows=10) for _ in range(2)]
        busy = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0.1)
        with pytest.raises(ScorerBusyError, match="queue_timeout_s"):
            await scorer.score_async(rows, queue_timeout_s=0.1)
        for one in busy:
            assert len(await one) == 50

    asyncio.run(run())


def test_no_scorers_folder_is_left_over(scorer, sidecar):
    """Whatever happened above: as many folders as scorers, and no more of these than may be."""
    assert wait_until(lambda: len(scorers(sidecar)) <= 2)
    folders = [Path(f"/proc/{pid}/cwd").readlink().name for pid in scorers(sidecar)]
    run_folder = scorer._pool.executor.folder / scorer.key[:20]
    assert sorted(folders) == sorted(path.name for path in run_folder.glob("scorer-*"))
