"""Scorers of one sidecar: how many score at once, when one retires, and what they report."""

import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from processes import wait_until
from scoring_calls import batches_of, describe, log_of
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.client.score import score_batches
from dai_spark.errors import SidecarTimeoutError
from dai_spark.metrics import ScoringMetrics
from dai_spark.sidecar import log as sidecar_log


def at_once(n, function):
    """Run a function n times at the same moment; return its answers, or raise the first error."""
    answers, errors = [], []

    def run():
        try:
            answers.append(function())
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if errors:
        raise errors[0]
    return answers


def most_at_once(log):
    """How many scorers were between their first batch and their end at the same time, by a log."""
    scoring, most = set(), 0
    for pid, what in re.findall(r"dai_spark: scorer (\d+) (scores|has finished)", log):
        scoring.add(pid) if what == "scores" else scoring.discard(pid)
        most = max(most, len(scoring))
    return most


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_no_more_than_max_scorers_score_at_once(
    plan, executor, export, flights, own_scores, described, start_method
):
    """Five tasks on two scorers: three wait for their turn, and every row is scored right."""
    path = export(score_seconds=0.2)
    made = plan(path, max_scorers=2, start_method=start_method).with_description(described)
    rows = flights.head(900)
    answers = at_once(5, lambda: score_frame(made, executor, rows, n_rows=300))
    assert len(answers) == 5
    own = own_scores(path, rows)
    for answer in answers:
        assert_frame_equal(answer, own, check_exact=True)
    assert most_at_once(log_of(executor)) == 2


def test_without_max_scorers_all_score_at_once(plan, executor, export, flights, described):
    """By default nobody waits."""
    slow = plan(export(score_seconds=0.5), start_method="fork")
    made = slow.with_description(described)
    at_once(4, lambda: score_frame(made, executor, flights.head(600), n_rows=200))
    assert most_at_once(log_of(executor)) == 4


def test_waiting_for_a_scorer_that_gets_on_has_no_limit_and_for_one_that_does_not_has(
    plan, executor, export, flights, described
):
    """Who waits behind working scorers outlasts the limits; behind an idle one it names them."""
    limits = {"max_scorers": 1, "batch_timeout_s": 3.0, "start_timeout_s": 3.0}
    path = export(score_seconds=1.0)
    with Connection(plan(path, start_method="fork"), executor):
        # It loads without these limits.
        made = plan(path, start_method="fork", **limits).with_description(described)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(score_frame, made, executor, flights.head(700), n_rows=100)
        assert wait_until(lambda: " scores rows 0-99 " in log_of(executor))
        begun = time.monotonic()
        # It waits for seven batches, more than both limits together, and scores one of its own.
        assert len(score_frame(made, executor, flights.head(100), n_rows=100)) == 100
        assert time.monotonic() - begun > 7
        assert len(first.result()) == 700
    words = "while it waited until fewer than 1 others scored; raise max_scorers"
    with Connection(made, executor), pytest.raises(SidecarTimeoutError, match=words):
        Connection(made, executor)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_scorer_retires_after_its_batches_and_no_row_is_lost(
    plan, executor, export, flights, own_scores, start_method
):
    """Seven batches by scorers of two: four scorers, the rows in order, the scores the same."""
    made = describe(plan(max_batches_per_scorer=2, start_method=start_method), executor)
    rows = flights.head(700)
    found = []
    scored = score_frame(made, executor, rows, n_rows=100, report=found.append)
    assert_frame_equal(scored, own_scores(export(), rows), check_exact=True)
    (metrics,) = found
    assert (metrics.n_scorers, metrics.n_batches, metrics.n_rows) == (4, 7, 700)
    assert log_of(executor).count(" retires: 200 rows in 2 batches") == 3
    assert " scores rows 600-699 of partition 3" in log_of(executor)


def test_a_leaking_pipeline_is_held_below_its_limit(plan, executor, export, flights):
    """Ten megabytes stay behind with every batch; scorers that hold too much are replaced."""
    made = describe(plan(export(fate="grow_in_score")), executor)
    limit_bytes = made.described.memory_bytes + 60_000_000
    made = plan(export(fate="grow_in_score"), max_scorer_memory_bytes=limit_bytes)
    made = describe(made, executor)
    found = []
    scored = score_frame(made, executor, flights.head(3000), n_rows=100, report=found.append)
    assert len(scored) == 3000
    (metrics,) = found
    assert metrics.n_rows == 3000
    assert metrics.n_scorers > 2
    # One batch more than the limit, which is looked at between batches.
    assert metrics.peak_memory_bytes < limit_bytes + 50_000_000


def test_wide_batches_are_scored_in_pieces(plan, executor, export, flights, own_scores):
    """A batch of more than batch_bytes goes in several; the scores stay the same."""
    made = describe(plan(batch_bytes=20_000), executor)
    rows = flights.head(2000)
    (batch,) = batches_of(rows, 2000)
    pieces = list(score_batches(made, [batch], executor))
    assert len(pieces) > 3
    assert sum(piece.batch.num_rows for piece in pieces) == 2000
    for piece in pieces:
        wanted = piece.batch.select(list(made.wanted()))
        assert sum(column.nbytes for column in wanted.columns) < 25_000
    answers = pd.concat([piece.answer.to_pandas() for piece in pieces], ignore_index=True)
    assert_frame_equal(answers, own_scores(export(), rows), check_exact=True)


def test_a_task_reports_what_it_took(plan, executor, export, flights, described):
    """Rows, batches, seconds, bytes and memory; who started the sidecar counts its load."""
    path = export(score_seconds=0.2)
    found = []
    # Nobody has started its sidecar, so that the task itself does.
    made = plan(path).with_description(described)
    for _ in range(2):
        score_frame(made, executor, flights.head(500), n_rows=100, report=found.append)
    first, second = found
    assert (first.n_loads, second.n_loads) == (1, 0)
    assert first.load_s > 0.05
    assert first.starting_s > first.load_s
    for metrics in found:
        assert (metrics.n_tasks, metrics.n_rows, metrics.n_batches) == (1, 500, 5)
        assert metrics.scoring_s > 1.0
        assert metrics.waiting_s > 0.8
        assert metrics.sent_bytes > 500 * 10 * 4
        assert metrics.received_bytes == 500 * 2 * 4
        assert 20e6 < metrics.peak_memory_bytes < 1e9
    both = first + second
    assert both.n_rows == 1000
    assert both.peak_memory_bytes == max(first.peak_memory_bytes, second.peak_memory_bytes)


def test_a_task_without_rows_reports_nothing(plan, executor, flights):
    """An empty partition has no scorer and no metrics."""
    found = []
    made = describe(plan(), executor)
    (batch,) = batches_of(flights.head(10))
    list(score_batches(made, [batch.slice(0, 0)], executor, report=found.append))
    assert found == []


def test_a_log_that_grows_is_begun_anew(tmp_path):
    """The file and the one before it hold the newest text, and no more than their limit."""
    path = tmp_path / "a.log"
    log = sidecar_log.BoundedFile(str(path))
    line = b"x" * 65_535 + b"\n"
    for _ in range(600):
        log.append(line)
    log.append(b"the end\n")
    files = [path, path.with_name("a.log.1")]
    assert sum(file.stat().st_size for file in files) > sidecar_log.LIMIT_BYTES
    for file in files:
        assert file.stat().st_size <= sidecar_log.LIMIT_BYTES
        assert file.stat().st_mode & 0o077 == 0
    assert path.read_bytes().endswith(b"the end\n")


def test_a_killed_guard_takes_its_sidecar_along_and_the_next_call_starts_another(
    plan, executor, flights
):
    """Who holds the lock and writes the log is gone, so nothing is left that would not be ended."""
    made = describe(plan(), executor)
    (ready,) = executor.folder.glob("*/ready.json")
    sidecar_pid = json.loads(ready.read_text())["pid"]
    sidecar = Path(f"/proc/{sidecar_pid}")
    guard_pid = int((sidecar / "stat").read_text().rpartition(")")[2].split()[1])
    os.kill(guard_pid, signal.SIGKILL)
    assert wait_until(lambda: not sidecar.exists(), 5)
    assert len(score_frame(made, executor, flights.head(10))) == 10
    assert json.loads(ready.read_text())["pid"] != sidecar_pid
    assert wait_until(lambda: "has finished: 10 rows" in log_of(executor), 5)


def test_metrics_begin_with_nothing():
    """A sum of none is none, so that adding needs no special case."""
    some = ScoringMetrics(n_rows=3, scoring_s=1.5, peak_memory_bytes=7)
    assert some + ScoringMetrics() == ScoringMetrics() + some == some
