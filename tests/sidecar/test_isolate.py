"""Bad rows set apart: whatever they do and wherever they are, these are found, and no others."""

import json
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from processes import wait_until
from scoring_calls import batches_of, describe, log_of, run_folder

from dai_spark.client import isolate
from dai_spark.client.connection import Connection
from dai_spark.client.in_flight import InFlight
from dai_spark.client.isolate import isolate_batches
from dai_spark.client.score import score_batches
from dai_spark.errors import (
    BadRowsError,
    ColumnError,
    LicenseError,
    ScoringError,
    SidecarDiedError,
    SidecarStartError,
    SidecarTimeoutError,
)
from dai_spark.sidecar import protocol
from dai_spark.testing import MARK_TEXT, MARKS

N_ROWS = 300
QUICK = ("raise_in_score", "exit_in_score", "segfault_in_score", "nan_in_score")
CAUSES = {
    "raise_in_score": "The pipeline raised ValueError: stand-in: raise_in_score",
    "exit_in_score": "The scorer left with exit code 70.",
    "segfault_in_score": "The scorer was killed by signal 11 (SIGSEGV).",
    "hang_in_score": "The scorer gave no answer within 2 s.",
    "nan_in_score": "The prediction late.no is NaN.",
}


@pytest.fixture
def executor(shared_executor):
    """All tests but one share an executor: what scorers suffer, the next task does not notice."""
    return shared_executor


@pytest.fixture
def mixed(export):
    """A pipeline with a fate for each mark."""
    return export(fate="mixed_in_score")


@pytest.fixture(scope="module")
def own(export, own_scores, flights):
    """The pipeline's own scores of the first rows, none of them marked."""
    return own_scores(export(), flights.head(N_ROWS))


def marked(flights, fates):
    """The first rows, with marks for some: {row: fate}."""
    frame = flights.head(N_ROWS).copy()
    for row, fate in fates.items():
        frame.loc[row, "carrier"] = MARKS[fate]
    return frame


def isolated(plan, executor, frame, n_rows=100, **arguments):
    """Errors of the bad rows by row, and the scores of all rows, bad ones dropped."""
    errors, scores = [], []
    for found in isolate_batches(plan, batches_of(frame, n_rows), executor, **arguments):
        assert found.first_row == len(errors)
        assert found.batch.num_rows == len(found.prediction) == len(found.error)
        assert found.prediction.is_null().equals(found.error.is_valid())
        errors += found.error.to_pylist()
        scores.append(pa.table({"p": found.prediction}).flatten().to_pandas())
    assert len(errors) == len(frame)
    bad = {row: text for row, text in enumerate(errors) if text is not None}
    scores = pd.concat(scores, ignore_index=True).rename(columns=lambda name: name[2:])
    return bad, scores.drop(index=list(bad))


def assert_own(scores, own):
    pd.testing.assert_frame_equal(scores, own.loc[scores.index], check_exact=True)


@pytest.mark.parametrize("n_examples", [3, pytest.param(40, marks=pytest.mark.long)])
def test_bad_rows_are_found_wherever_they_are(plan, executor, mixed, flights, own, n_examples):
    """Exactly the bad rows have errors, each its own; all others have the pipeline's own scores."""
    made = describe(plan(mixed, nan="bad"), executor)
    fates = st.dictionaries(st.integers(0, N_ROWS - 1), st.sampled_from(QUICK), max_size=5)

    @settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(fates, st.sampled_from([1, 37, 100, 300]))
    @example({}, 100)
    @example({0: "segfault_in_score", 1: "exit_in_score", N_ROWS - 1: "raise_in_score"}, 300)
    @example(dict.fromkeys(range(96, 104), "raise_in_score"), 100)
    def find(fates, n_rows):
        bad, scores = isolated(made, executor, marked(flights, fates), n_rows)
        assert bad == {row: CAUSES[fate] for row, fate in fates.items()}
        assert_own(scores, own)

    find()
    assert log_of(executor, made).count("Scorer() constructed") == 1


def test_each_of_five_kinds_says_what_befell_it(plan, executor, mixed, flights, own):
    """Raises, exits, segfaults, hangs, and NaN where it is forbidden."""
    made = describe(plan(mixed, nan="bad", batch_timeout_s=2), executor)
    # Behind its batch's good rows the one that hangs is waited for twice, and not eight times.
    fates = dict(zip((17, 118, 119, 199, 299), MARKS))
    bad, scores = isolated(made, executor, marked(flights, fates))
    assert bad == {row: CAUSES[fate] for row, fate in fates.items()}
    assert_own(scores, own)


@pytest.mark.parametrize(
    "options",
    [{"max_scorers": 1, "max_batches_per_scorer": 3}, {"start_method": "spawn"}],
    ids=["few scorers", "spawn"],
)
def test_bad_rows_are_found_however_scorers_come(plan, executor, mixed, flights, own, options):
    """One scorer at a time, scorers that retire in between, scorers that load for themselves."""
    made = describe(plan(mixed, batch_timeout_s=60, **options), executor)
    fates = {124: "segfault_in_score", 199: "raise_in_score", 200: "exit_in_score"}
    bad, scores = isolated(made, executor, marked(flights, fates), 25)
    assert bad == {row: CAUSES[fate] for row, fate in fates.items()}
    assert_own(scores, own)


@pytest.fixture
def hung_s(monkeypatch):
    """The limits within which something hung, in seconds."""
    receive, found = InFlight.receive, []

    def noting(self, limit_s=None):
        sent, answer = receive(self, limit_s)
        if isinstance(answer, SidecarTimeoutError):
            found.append(limit_s)
        return sent, answer

    monkeypatch.setattr(InFlight, "receive", noting)
    return found


def test_a_row_that_hangs_costs_its_limits_and_little_more(
    plan, executor, mixed, flights, own, monkeypatch, hung_s
):
    """The batch, a piece of 32 and one of 4, which are given up soon, and then the row alone."""
    monkeypatch.setattr(isolate, "_LEAST_LIMIT_EXAMPLES", 0)
    monkeypatch.setattr(isolate, "_PIECE_LIMIT_S", 0.4)
    made = describe(plan(mixed, batch_timeout_s=1.5), executor)
    bad, scores = isolated(made, executor, marked(flights, {0: "hang_in_score"}), N_ROWS)
    assert list(bad) == [0]
    assert_own(scores, own)
    assert hung_s == [None, 0.4, 1.5]


def test_a_piece_that_is_slow_for_once_blames_nobody(
    plan, executor, mixed, flights, own, monkeypatch, hung_s
):
    """Pieces that hang within a limit that is far too short are scored row by row."""
    monkeypatch.setattr(isolate, "_LEAST_LIMIT_EXAMPLES", 0)
    monkeypatch.setattr(isolate, "_PIECE_LIMIT_S", 0.0001)
    monkeypatch.setattr(isolate, "_PIECE_SHARES", 0)
    made = describe(plan(mixed, batch_timeout_s=1.5), executor)
    frame = marked(flights, {50: "hang_in_score"}).head(100)
    bad, scores = isolated(made, executor, frame)
    assert list(bad) == [50]
    assert_own(scores, own)
    assert len(hung_s) > 10


def test_a_pipeline_that_is_slow_to_begin_a_batch_does_not_hang(
    plan, executor, export, flights, described, monkeypatch
):
    """The least limit follows what one row takes, so the neighbours of a bad row stay good."""
    monkeypatch.setattr(isolate, "_LEAST_LIMIT_S", 0.01)
    path = export(fate="hang_in_score", score_seconds=0.15)
    slow = plan(path, batch_timeout_s=1.5, start_method="fork")
    made = slow.with_description(described)
    frame = flights.head(64).copy()
    frame.loc[62, "carrier"] = MARK_TEXT
    bad, _ = isolated(made, executor, frame)
    assert list(bad) == [62]


@pytest.mark.long
def test_a_row_that_holds_pythons_lock_is_found(plan, executor, export, flights):
    """Its scorer takes no further batch in, and the row is to blame, not the batch behind."""
    made = describe(plan(export(fate="spin_in_score"), batch_timeout_s=4), executor)
    frame = flights.copy()
    frame.loc[100, "carrier"] = MARK_TEXT

    def slowly():
        batches = batches_of(frame, len(frame) // 2)
        yield batches[0]
        # Until the row is being scored; what comes then is larger than what a socket holds.
        time.sleep(3)
        assert sum(batches[1].column(name).nbytes for name in made.wanted()) > 300_000
        yield batches[1]

    with pytest.raises(SidecarTimeoutError, match="when a batch was sent"):
        list(score_batches(made, slowly(), executor))
    found = pa.concat_arrays([found.error for found in isolate_batches(made, slowly(), executor)])
    assert len(found) == len(frame)
    bad = {row: text for row, text in enumerate(found.to_pylist()) if text is not None}
    assert bad == {100: "The scorer gave no answer within 4 s."}


def test_a_value_that_cannot_be_sent_is_a_bad_row(plan, executor, flights, own):
    """Its type is right, so it is the row's fault; a type that is wrong fails the task."""
    made = describe(plan(), executor)
    frame = flights.head(N_ROWS).astype({"distance": "int64"})
    frame.loc[[5, 250], "distance"] = 2**60 + 1
    bad, scores = isolated(made, executor, frame)
    assert list(bad) == [5, 250]
    for text in bad.values():
        assert text.startswith(f"Column distance holds {2**60 + 1}, which the pipeline cannot be")
    assert_own(scores, own)
    with pytest.raises(ColumnError, match="distance .*the pipeline wants a number"):
        isolated(made, executor, frame.assign(distance="far"))


def test_what_is_no_rows_fault_is_raised(plan, executor, export, mixed, flights):
    """A refused licence and a load that fails are told as without isolating."""
    described = describe(plan(mixed), executor).described
    for failing, kind in (
        (plan(mixed, license="none"), LicenseError),
        (plan(export(fate="raise_in_load")), SidecarStartError),
    ):
        with pytest.raises(kind):
            isolated(failing.with_description(described), executor, flights.head(50))


def test_more_bad_rows_than_allowed_end_the_task(plan, executor, mixed, flights):
    """As many as allowed are set apart; one more, and the first is named."""
    made = describe(plan(mixed, nan="bad"), executor)
    frame = marked(flights, dict.fromkeys(range(150, 180), "raise_in_score"))
    frame.loc[[7, 9], "carrier"] = MARKS["nan_in_score"]
    assert len(isolated(made, executor, frame, max_bad_rows=32)[0]) == 32
    words = r"More than 31 rows .*partition 3 .* first is row 7: The prediction late.no is NaN."
    with pytest.raises(BadRowsError, match=words):
        isolated(made, executor, frame, max_bad_rows=31)


def test_rows_are_not_blamed_for_a_sidecar_that_was_killed(
    plan, own_executor, export, flights, own, described
):
    """After one kill the same batch is scored by a new sidecar; two in a row fail the task."""
    slow = plan(export(score_seconds=1.0), start_method="fork")
    made = slow.with_description(described)
    frame = flights.head(N_ROWS)
    killed = []

    def kill(n_times):
        def sidecar():
            for ready in own_executor.folder.glob("*/ready.json"):
                pid = json.loads(ready.read_text())["pid"]
                return pid if pid not in killed else None
            return None

        for _ in range(n_times):
            assert wait_until(lambda: sidecar() is not None)
            time.sleep(0.4)
            killed.append(sidecar())
            os.kill(killed[-1], signal.SIGKILL)

    def while_killed(n_times):
        killer = threading.Thread(target=kill, args=(n_times,))
        killer.start()
        try:
            return isolated(made, own_executor, frame)
        finally:
            killer.join()

    bad, scores = while_killed(1)
    assert len(killed) == 1
    assert bad == {}
    assert_own(scores, own)
    with pytest.raises(SidecarDiedError, match="together with its sidecar"):
        while_killed(2)


def test_a_scorer_that_ends_with_code_0_is_not_taken_for_a_killed_sidecar(plan, executor, flights):
    """The sidecar lives, so a batch may be to blame."""
    made = describe(plan(), executor)
    with Connection(made, executor) as connection:
        protocol.send(connection._socket, protocol.CANCEL)
        with pytest.raises(SidecarDiedError, match="ended with no error code") as caught:
            connection.receive_batch("rows 0-9")
    assert caught.value.cause == "The scorer ended with no error code."


def test_nan_is_a_score_unless_it_is_said_to_be_bad(plan, executor, export, flights):
    """`nan="keep"` gives NaN out; `nan="bad"` fails with the first such row's number."""
    path = export(fate="nan_in_score")
    frame = flights.head(N_ROWS).copy()
    frame.loc[[123, 150], "carrier"] = MARK_TEXT
    kept = describe(plan(path), executor)
    (bad, scores) = isolated(kept, executor, frame)
    assert bad == {}
    assert list(np.flatnonzero(scores.isna().all(axis=1))) == [123, 150]
    made = plan(path, nan="bad").with_description(kept.described)
    found = list(score_batches(made, batches_of(frame, 100), executor))
    assert [scored.error is None for scored in found] == [True, False, True]
    assert isinstance(found[1].error, ScoringError)
    assert "row 123 of partition 3" in found[1].error.message
    assert "prediction late.no is NaN" in found[1].error.message


def test_empty_batches_are_answered_and_metrics_reported(plan, executor, mixed, flights):
    """No rows need no scorer; a task that had some reports itself once."""
    made = describe(plan(mixed), executor)
    reports = []
    (batch,) = batches_of(flights.head(10))
    (none,) = isolate_batches(made, [batch.slice(0, 0)], executor, report=reports.append)
    assert (len(none.prediction), len(none.error), reports) == (0, 0, [])
    frame = marked(flights, {3: "exit_in_score", 4: "raise_in_score"})
    isolated(made, executor, frame, report=reports.append)
    (metrics,) = reports
    assert metrics.n_tasks == 1
    # A scorer that ended in between has left no totals.
    assert metrics.n_rows == len(frame) - 2
    assert metrics.n_failures > 1
    assert metrics.n_scorers > 1


def test_no_scorer_is_left_after_isolating(plan, executor, mixed, flights):
    """Scorers that hung, and those of a pass that was broken off, end."""
    made = describe(plan(mixed, batch_timeout_s=2), executor)
    isolated(made, executor, marked(flights, {199: "hang_in_score"}))
    passing = isolate_batches(made, batches_of(flights.head(N_ROWS), 10), executor)
    next(passing)
    passing.close()
    assert wait_until(lambda: not list(run_folder(executor, made).glob("scorer-[0-9]*")), 30)
