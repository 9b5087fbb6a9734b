"""A pipeline's own child holds copies of all that its scorer had open, and hides no end by it."""

import json
import os
import signal
import threading
import time

import pytest
from processes import wait_until
from scoring_calls import batches_of, describe
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.errors import SidecarDiedError
from dai_spark.sidecar import protocol
from dai_spark.testing import MARK_TEXT

# Of a batch, and what a death that is told of at once stays far below.
LIMIT_S = 20
AT_ONCE_S = 8


def marked(flights):
    frame = flights.head(50).copy()
    frame.loc[3, "carrier"] = MARK_TEXT
    return frame


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("orphan_exit_in_score", "left with exit code 70"),
        ("orphan_segfault_in_score", r"was killed by signal 11 \(SIGSEGV\)"),
    ],
)
def test_a_scorer_that_dies_is_noticed_at_once_though_its_child_lives(
    plan, executor, export, flights, fate, words
):
    """The child's copy of the connection does not keep it open."""
    made = describe(plan(export(fate=fate), batch_timeout_s=LIMIT_S), executor)
    begun = time.monotonic()
    with pytest.raises(SidecarDiedError, match=words):
        score_frame(made, executor, marked(flights))
    assert time.monotonic() - begun < AT_ONCE_S
    assert len(score_frame(made, executor, flights.head(10))) == 10


def test_a_sidecar_that_dies_is_noticed_at_once_though_a_child_of_a_scorer_lives(
    plan, executor, export, flights, described
):
    """Nobody is left to close the connection, so the client looks whether the sidecar lives."""
    path = export(fate="orphan_in_score", score_seconds=60.0)
    made = plan(path, start_method="fork", batch_timeout_s=LIMIT_S).with_description(described)
    errors = []

    def score():
        try:
            score_frame(made, executor, marked(flights))
        except SidecarDiedError as error:
            errors.append(error)

    call = threading.Thread(target=score)
    call.start()
    scoring = "scores rows 0-49"
    log = executor.folder / f"dai_spark-sidecar-{made.key(made.license)[:20]}.log"
    assert wait_until(lambda: log.exists() and scoring in log.read_text(), 20)
    time.sleep(0.3)
    (ready,) = executor.folder.glob("*/ready.json")
    begun = time.monotonic()
    os.kill(json.loads(ready.read_text())["pid"], signal.SIGKILL)
    call.join(60)
    assert time.monotonic() - begun < AT_ONCE_S
    assert ["together with its sidecar" in error.message for error in errors] == [True]


def test_a_connection_that_was_finished_is_closed_though_a_child_of_its_scorer_lives(
    plan, executor, export, flights
):
    """Who waits until the scorer is free for another does not wait for the pipeline's child."""
    made = describe(plan(export(fate="orphan_in_score"), batch_timeout_s=LIMIT_S), executor)
    (batch,) = batches_of(marked(flights))
    with Connection(made, executor) as connection:
        connection.send_batch(batch.select(list(made.wanted())), 0)
        connection.receive_batch("rows 0-49")
        begun = time.monotonic()
        connection.finish()
        with pytest.raises(protocol.Closed):
            protocol.receive(connection._socket, begun + LIMIT_S)
        assert time.monotonic() - begun < AT_ONCE_S
