"""A scorer process serves one task after the other, as long as it is as good as new."""

import json
import os
import re
import select
import signal
import time
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal
from processes import wait_until
from scoring_calls import batches_of, describe, log_of
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.client.score import score_batches
from dai_spark.errors import ScoringError, SidecarDiedError, SidecarTimeoutError
from dai_spark.sidecar import pool, worker
from dai_spark.testing import MARKS
from dai_spark.testing.scoring_package.fates import GROWTH_BYTES


def servers(executor):
    """The process of each connection that the log tells of, in order."""
    return re.findall(r"dai_spark: scorer (\d+) serves", log_of(executor))


def working_folder(pid):
    """Where a process works; nowhere once it has ended."""
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def scorers(executor):
    """Processes of scorers that live, whether they serve or wait."""
    (ready,) = executor.folder.glob("*/ready.json")
    sidecar = json.loads(ready.read_text())["pid"]
    return [
        pid
        for pid in Path(f"/proc/{sidecar}/task/{sidecar}/children").read_text().split()
        if "scorer-" in working_folder(pid)
    ]


def marked(flights, fate=None):
    """Fifty rows, of which the fourth has a fate where one is given."""
    rows = flights.head(50).copy()
    if fate is not None:
        rows.loc[3, "carrier"] = MARKS[fate]
    return rows


def score_when_free(executor, made, rows, **words):
    """Score, and give the scorer the moment that it takes to say that it is free."""
    found = score_frame(made, executor, rows, **words)
    time.sleep(0.2)
    return found


def test_the_next_task_has_the_same_scorer_whatever_its_options(plan, executor, export, flights):
    """Options are the connection's: what one task asks for, the next does not get."""
    made, other = describe(plan(), executor), describe(plan(contributions="transformed"), executor)
    rows = flights.head(300)
    first = score_when_free(executor, made, rows, n_rows=100)
    explained = score_when_free(executor, other, rows, n_rows=100)
    again = score_when_free(executor, made, rows, n_rows=100)
    pids = servers(executor)[-3:]
    assert len(set(pids)) == 1
    assert_frame_equal(again, first, check_exact=True)
    assert explained.shape[1] > first.shape[1]


def test_a_spawned_scorer_loads_once_for_many_tasks(plan, executor, export, flights, own_scores):
    """Without reuse a pipeline that cannot be forked would load for every partition."""
    made = plan(start_method="spawn")
    with Connection(made, executor) as connection:
        made = made.with_description(connection.describe())
        connection.finish()
    time.sleep(0.2)
    found = []
    for _ in range(3):
        scored = score_when_free(executor, made, flights.head(200), report=found.append)
        assert_frame_equal(scored, own_scores(export(), flights.head(200)), check_exact=True)
    assert [metrics.n_loads for metrics in found] == [0, 0, 0]
    assert [metrics.n_scorers for metrics in found] == [1, 1, 1]
    assert log_of(executor).count("Scorer() constructed") == 1


def test_where_memory_is_short_a_spawned_scorer_does_not_wait_for_another_task(
    plan, executor, flights
):
    """`max_scorers` bounds the loads in memory, those of who waits for a turn included."""
    made = describe(plan(start_method="spawn", max_scorers=1), executor)
    for _ in range(2):
        score_frame(made, executor, flights.head(10))
        assert wait_until(lambda: scorers(executor) == [], 4.5)


def test_a_scorer_that_waits_for_a_task_has_no_slot(plan, executor, flights):
    """With `max_scorers` a task may have the slot of the one before, and any scorer."""
    made = describe(plan(max_scorers=1), executor)
    for _ in range(3):
        score_when_free(executor, made, flights.head(10))
    assert len(set(servers(executor)[-3:])) == 1


def test_a_scorer_that_raised_serves_no_other_task(plan, executor, export, flights):
    """A pipeline that raised may have stopped halfway."""
    made = describe(plan(export(fate="mixed_in_score")), executor)
    good, bad = marked(flights), marked(flights, "raise_in_score")
    score_when_free(executor, made, good)
    (scored,) = score_batches(made, batches_of(bad), executor)
    assert isinstance(scored.error, ScoringError)
    # Sooner than any would go that waits.
    assert wait_until(lambda: scorers(executor) == [], 4.5)
    score_when_free(executor, made, good)
    first, second, third = servers(executor)[-3:]
    assert first == second != third


def test_a_scorer_that_has_grown_serves_no_other_task(plan, executor, export, flights):
    """Ten megabytes stay behind with every batch; what a task leaves ends soon after it."""
    made = describe(plan(export(fate="grow_in_score")), executor)
    found = []
    for _ in range(6):
        score_when_free(executor, made, flights.head(150), n_rows=10, report=found.append)
    assert 1 < len(set(servers(executor)[-6:])) < 6
    most_bytes = made.described.memory_bytes + worker._MOST_GROWTH_BYTES + 15 * GROWTH_BYTES
    assert max(metrics.peak_memory_bytes for metrics in found) < 1.1 * most_bytes


def test_a_scorer_serves_no_more_tasks_than_its_share(plan, executor, flights):
    """Files and threads that a pipeline leaves behind end with it."""
    made = describe(plan(), executor)
    for _ in range(worker._MOST_CONNECTIONS + 1):
        score_when_free(executor, made, flights.head(2))
    pids = servers(executor)[-worker._MOST_CONNECTIONS - 1 :]
    assert len(set(pids[:-1])) == 1
    assert pids[-1] != pids[0]


def test_batches_count_over_all_tasks_of_a_scorer(plan, executor, flights, export, own_scores):
    """`max_batches_per_scorer` is the process's, not the task's."""
    made = describe(plan(max_batches_per_scorer=3), executor)
    rows = flights.head(200)
    for _ in range(3):
        scored = score_when_free(executor, made, rows, n_rows=100)
        assert_frame_equal(scored, own_scores(export(), rows), check_exact=True)
    pids = servers(executor)[1:]
    # Two batches, then one and its retirement, and so on.
    assert pids[0] == pids[1]
    assert pids[1] != pids[2]
    assert log_of(executor).count(" retires: 100 rows in 1 batches") == 1


def test_a_waiting_scorer_that_is_killed_costs_nobody_a_row(plan, executor, flights):
    """The next task gets another one."""
    made = describe(plan(), executor)
    expected = score_when_free(executor, made, flights.head(50))
    waiting = servers(executor)[-1]
    os.kill(int(waiting), signal.SIGKILL)
    found = score_frame(made, executor, flights.head(50))
    assert_frame_equal(found, expected, check_exact=True)
    assert servers(executor)[-1] != waiting


def test_a_waiting_scorer_that_is_stopped_is_noticed_by_its_client(plan, executor, flights):
    """Handed over but never taken: the client's own limit ends the wait, and names the limit."""
    made = describe(plan(start_timeout_s=5), executor)
    score_when_free(executor, made, flights.head(50))
    waiting = servers(executor)[-1]
    os.kill(int(waiting), signal.SIGSTOP)
    with pytest.raises(SidecarTimeoutError, match="raise start_timeout_s"):
        score_frame(made, executor, flights.head(50))
    # Its client has gone, so it is killed; the same sidecar serves later tasks.
    assert wait_until(lambda: waiting not in scorers(executor))
    assert len(score_frame(made, executor, flights.head(50))) == 50
    assert log_of(executor).count("Scorer() constructed") == 1


def test_scorers_wait_only_for_a_while(plan, executor, flights):
    """Memory of a job's scorers is free soon after the job; the loaded sidecar stays."""
    made = describe(plan(), executor)
    score_when_free(executor, made, flights.head(10))
    assert servers(executor)[-1] in scorers(executor)
    begun = time.monotonic()
    assert wait_until(lambda: scorers(executor) == [], 20)
    assert pool._KEEP_S["fork"] - 1 < time.monotonic() - begun < pool._KEEP_S["fork"] + 5
    assert list(executor.folder.glob("*/scorer.sock"))
    assert wait_until(lambda: not list(executor.folder.glob("*/scorer-[0-9]*")))


def test_a_waiting_scorer_does_not_keep_its_sidecar(plan, executor, flights):
    """A sidecar without a task for idle_timeout_s ends, with what waits in it."""
    made = describe(plan(start_method="spawn", idle_timeout_s=3), executor)
    score_frame(made, executor, flights.head(10))
    assert wait_until(lambda: not list(executor.folder.glob("*/scorer.sock")), 5)


def test_a_connection_ends_with_its_task_though_its_scorer_lives_on(plan, executor, flights):
    """No process keeps a copy of a connection that was served."""
    made = describe(plan(), executor)
    (batch,) = batches_of(flights.head(10))
    with Connection(made, executor) as one, Connection(made, executor) as other:
        for connection in (one, other):
            connection.send_batch(batch.select(list(made.wanted())), 0)
            connection.receive_batch("rows 0-9")
        for connection in (one, other):
            connection.finish()
            assert select.select([connection._socket], [], [], 5)[0]
            assert connection._socket.recv(1) == b""
    assert set(servers(executor)[-2:]) <= set(scorers(executor))


def test_a_client_that_leaves_in_the_middle_takes_its_scorer_along(plan, executor, flights):
    """Only who has finished in order is as good as new."""
    made = describe(plan(), executor)
    (batch,) = batches_of(flights.head(10))
    with Connection(made, executor) as connection:
        connection.send_batch(batch.select(list(made.wanted())), 0)
        connection.receive_batch("rows 0-9")
    assert wait_until(lambda: scorers(executor) == [], 4.5)


def test_a_scorer_that_dies_on_its_second_task_is_told_of(plan, executor, export, flights):
    """The fate and the rows are of the task that it died on."""
    made = describe(plan(export(fate="mixed_in_score")), executor)
    score_when_free(executor, made, marked(flights))
    with pytest.raises(SidecarDiedError, match="rows 0-"):
        score_frame(made, executor, marked(flights, "segfault_in_score"))
    first, second = servers(executor)[-2:]
    assert first == second
