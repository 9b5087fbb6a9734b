"""Task speculation, on a standalone cluster whose workers have two addresses."""

import pandas as pd
import pytest
from cluster.programs.event_log import attempts
from free_port import free_port
from pandas.testing import assert_frame_equal

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def run(run_program, fault_arguments, faults):
    """The application; one of its scorers stood still in mid-batch."""
    words = {name: fault_arguments[name] for name in ("env", "license_file", "flights")}
    words["ports"] = [free_port(), free_port()]
    words["pipeline"] = str(faults.exports["slow"])
    made = run_program("speculation.py", words, timeout_s=480)
    assert made.exit_code == 0, made.stderr
    return made


def test_the_copy_scores_the_rows_once(run, own_scores, faults):
    """The copy on the other host succeeds, the one that stands still is killed by Spark."""
    assert run.findings["stopped"]
    found = attempts(run.out)["speculation"]
    copy = next(one for one in found if one["is_copy"] and one["end"] == "Success")
    (still,) = [one for one in found if one["index"] == copy["index"] and not one["is_copy"]]
    assert still["end"] == "TaskKilled"
    assert {copy["host"], still["host"]} == {"127.0.0.2", "127.0.0.3"}
    scores = pd.read_parquet(run.out / "scores.parquet").set_index("flight_id").sort_index()
    own = own_scores(faults.exports["slow"], faults.rows).set_index(faults.rows["flight_id"])
    assert_frame_equal(scores, own, check_exact=True)


@pytest.mark.parametrize(
    ("name", "n_at_least"), [("retried", 9), ("copied", 9), ("stage again", 14)]
)
def test_each_row_is_measured_once(run, name, n_at_least):
    """A task that is tried again, one that is copied, a stage whose output was lost."""
    assert len(attempts(run.out)[name]) >= n_at_least
    told = run.findings[name]
    assert told["n_rows"] == 8000
    assert told["measured"] == [8000, 8000, 0, 7999, 3999.5, 8]


def test_the_scorer_that_stood_still_is_gone(run, nothing_left):
    """A scorer that cannot see its connection closed is ended by its sidecar; nothing is left."""
    assert run.findings["gone_s"] is not None
    assert run.findings["stopped_gone_s"] is not None
    nothing_left(run)
