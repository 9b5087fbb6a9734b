"""How a handle ends: closed, collected, forked, killed, or with its process; nothing is left."""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from local_scorers import lives, places, scorers, sidecar_of, sidecars
from processes import processes_of, wait_until

from dai_spark import open_scorer
from dai_spark.errors import OptionError, PipelineNotFoundError, ScorerClosedError
from dai_spark.local import process_pools


@pytest.fixture(scope="module")
def opened(export, packed_environment, license_text):
    """A function that opens a handle on a slow pipeline."""
    path = export(fate="mixed_in_score", score_seconds=0.25)

    def open_it(**words):
        return open_scorer(path, packed_environment, license=license_text, **words)

    return open_it


@pytest.fixture
def script(packed_environment, license_text, export, flights, tmp_path):
    """A function that runs Python code which has `scorer`, `rows` and `tell`, as a process."""
    flights.head(10).to_parquet(tmp_path / "rows.parquet")
    begin = (
        "import json, os, signal, sys, threading, time\n"
        "import pandas as pd\n"
        "from dai_spark import open_scorer\n"
        "words = json.loads(sys.stdin.readline())\n"
        "rows = pd.read_parquet(words['rows'])\n"
        "def tell(**found):\n"
        "    print(json.dumps(found), flush=True)\n"
        "scorer = open_scorer(words['pipeline'], words['env'], license=words['license'])\n"
    )
    words = {
        "rows": str(tmp_path / "rows.parquet"),
        "pipeline": str(export()),
        "env": str(packed_environment.path),
        "license": license_text,
    }
    folder = tmp_path / "tmp"
    folder.mkdir()
    started = []

    def start(code):
        process = subprocess.Popen(
            [sys.executable, "-c", begin + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(folder)},
            text=True,
        )
        started.append(process)
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
        return process

    start.folder = folder
    yield start
    for process in started:
        process.kill()
        process.wait(20)
        process.stdin.close()
        process.stdout.close()


def told(process):
    """What a process tells next."""
    return json.loads(process.stdout.readline())


def nothing_is_left(folder):
    """Whether no process works for a handle below a temporary folder, and no file lies there."""
    return not list(folder.iterdir()) and not processes_of(str(folder))


# -- in its own process ------------------------------------------------------------------------


def test_a_closed_handle_has_no_children_and_scores_no_more(opened, flights):
    """Closed by another thread than the one that made it, and closed again."""
    scorer = ThreadPoolExecutor(1).submit(opened).result(60)
    assert len(scorer.score(flights.head(3))) == 3
    sidecar = sidecar_of(scorer)
    children = scorers(sidecar)
    closing = threading.Thread(target=scorer.close)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    assert not any(lives(pid) for pid in [sidecar, *children])
    assert list(scorer._pool.executor.folder.glob(f"*{scorer.key[:20]}*")) == []
    scorer.close()
    assert scorer.is_closed
    for call in (scorer.score, scorer.describe):
        with pytest.raises(ScorerClosedError, match="open another with open_scorer"):
            call(*([flights.head(3)] if call == scorer.score else []))


def test_calls_on_a_handle_that_is_closed_end_at_once(opened, flights):
    """Those that are scored and those that wait; another handle of the same content goes on."""
    scorer = opened(max_scorers=1)
    with opened() as other, ThreadPoolExecutor(3) as threads:
        rows = flights.head(100)
        calls = [threads.submit(scorer.score, rows, batch_rows=10) for _ in range(2)]
        pool = scorer._pool
        assert wait_until(lambda: pool._lent and pool._waiting)
        others = threads.submit(other.score, flights.head(3))
        assert wait_until(lambda: len(pool._waiting) == 2)
        scorer.close()
        for call in calls:
            with pytest.raises(ScorerClosedError):
                call.result(2)
        assert len(others.result(30)) == 3
    assert sidecar_of(other) is None


def test_a_handle_that_nobody_has_ends_its_children(opened, flights):
    """Without `close`."""
    scorer = opened()
    assert len(scorer.score(flights.head(3))) == 3
    sidecar = sidecar_of(scorer)
    del scorer
    gc.collect()
    assert wait_until(lambda: not lives(sidecar), 5)


def test_a_handle_does_not_pickle(opened):
    """One sentence says what to do."""
    with opened() as scorer, pytest.raises(TypeError, match="open one with open_scorer in each"):
        pickle.dumps(scorer)


def test_what_cannot_be_opened_leaves_nothing(opened, tmp_path, packed_environment, license_text):
    """A pipeline that is not there, an option that it cannot meet."""
    before = set(process_pools._pools)
    with pytest.raises(PipelineNotFoundError):
        open_scorer(tmp_path / "scorer.zip", packed_environment, license=license_text)
    with pytest.raises(OptionError, match="prediction intervals"):
        opened(intervals=True)
    assert set(process_pools._pools) == before


# -- with its process --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        "",
        "def leave():\n    scorer.score(rows)\n    sys.exit(3)\n"
        "thread = threading.Thread(target=leave)\nthread.start()\nthread.join()\n",
        "threading.Thread(target=scorer.score, args=(rows,), daemon=True).start()\nsys.exit(0)\n",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "list(ThreadPoolExecutor(4).map(scorer.score, [rows] * 8))\n",
    ],
    ids=["at its end", "sys.exit in a thread", "sys.exit in a call", "threads of a pool"],
)
def test_a_process_that_ends_leaves_nothing(script, end):
    """Its sidecar, scorers, sockets and folder go, though nobody closed the handle."""
    process = script("scorer.score(rows)\ntell(pid=os.getpid())\nsys.stdin.readline()\n" + end)
    told(process)
    (sidecar,) = sidecars(script.folder)
    assert scorers(sidecar)
    process.stdin.write("end\n")
    process.stdin.flush()
    assert process.wait(30) == 0
    assert wait_until(lambda: nothing_is_left(script.folder), 10), list(script.folder.rglob("*"))
    assert not lives(sidecar)


def test_a_killed_process_leaves_nothing(script):
    """SIGKILL in the middle of a call."""
    process = script(
        "scorer.score(rows)\n"
        "threading.Thread(target=lambda: [scorer.score(rows) for _ in range(999)]).start()\n"
        "tell(begun=True)\n"
    )
    told(process)
    (sidecar,) = sidecars(script.folder)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert wait_until(lambda: nothing_is_left(script.folder), 10), list(script.folder.rglob("*"))
    assert not lives(sidecar)


FORK = """
stop = threading.Event()
failed = []
def score():
    while not stop.is_set():
        try:
            scorer.score(rows)
        except BaseException as error:
            failed.append(repr(error))
threads = [threading.Thread(target=score) for _ in range(8)]
for thread in threads:
    thread.start()
expected = scorer.score(rows)
children = []
for number in range(4):
    time.sleep(0.05)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if number:
                found = scorer.score(rows, timeout_s=60)
                status = 0 if found.equals(expected) else 2
                if number == 1:
                    scorer.close()
                if number == 2:
                    sys.exit(0)
            else:
                status = 0
        except SystemExit:
            raise
        except BaseException as error:
            print(json.dumps({"child": repr(error)}), flush=True)
        finally:
            if number != 2 or status:
                os._exit(status)
    children.append(pid)
statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
same = scorer.score(rows).equals(expected)
stop.set()
for thread in threads:
    thread.join()
tell(statuses=statuses, same=same, failed=failed, n_loads=scorer.metrics().n_loads)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.version_info < (3, 9), reason="os.waitstatus_to_exitcode is of 3.9")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_has_scorers_of_its_own(script):
    """While threads score: each child has a sidecar of its own, the parent's goes on, all end."""
    process = script(FORK)
    (sidecar,) = sidecars(script.folder)[:1] or [None]
    found = told(process)
    assert found == {"statuses": [0, 0, 0, 0], "same": True, "failed": [], "n_loads": 1}
    # Of the children nothing is left, whether they closed the handle, left, or were cut off.
    assert wait_until(lambda: len(places(script.folder)) == 1, 10), list(
        map(str, script.folder.rglob("*"))
    )
    assert len(sidecars(script.folder)) == 1
    assert sidecar is None or sidecars(script.folder) == [sidecar]
    process.stdin.write("end\n")
    process.stdin.flush()
    assert process.wait(30) == 0
    assert wait_until(lambda: nothing_is_left(script.folder), 10), list(script.folder.rglob("*"))


def test_a_timed_out_call_ends_its_scorer_though_a_fork_has_a_copy_of_the_socket(opened, flights):
    """A child that sleeps holds what it inherited only until it has begun."""
    with opened(max_scorers=1) as scorer:
        scorer.score(flights.head(3))
        sidecar = sidecar_of(scorer)
        before = scorers(sidecar)
        (pooled,) = scorer._pool._idle
        fd = pooled.connection._socket.fileno()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.fstat(fd)
                os.write(writing, b"open")
            except OSError:
                os.write(writing, b"closed")
            os.close(writing)
            signal.pause()
            os._exit(0)
        try:
            assert os.read(reading, 10) == b"closed"
            with pytest.raises(Exception, match="timeout_s"):
                scorer.score(flights.head(100), batch_rows=10, timeout_s=0.4)
            assert wait_until(lambda: not any(lives(one) for one in before), 5)
            assert len(scorer.score(flights.head(3))) == 3
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reading)
            os.close(writing)
