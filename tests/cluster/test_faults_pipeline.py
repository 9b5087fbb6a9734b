"""What a pipeline can do to its sidecar, on separate executors: what the user reads, what is left.

The jobs ran without a probe, as after one that was remembered, so that tasks meet each fault.
"""

import re
import socket

import pandas as pd
import pytest
from cluster.programs.event_log import attempts
from pandas.testing import assert_frame_equal

from dai_spark import errors

# One application serves all tests; on a machine with other work it takes minutes.
pytestmark = pytest.mark.timeout(600)

HOST = re.escape(socket.gethostname())
ROWS = r"rows \d+-\d+ of partition 0 \(stage \d+, attempt 3\)"
READ = {
    "raise_in_load": ("SidecarStartError", f"failed on {HOST} .*RuntimeError: stand-in: raise"),
    "bad_license": ("LicenseError", f"wants a valid .* licence on {HOST}: the one given was refu"),
    "hang_in_load": ("SidecarTimeoutError", f"not loaded within 1.5 s on {HOST}; raise start_time"),
    "raise_in_score": ("ScoringError", f"failed on {ROWS} on {HOST}: ValueError: stand-in"),
    "exit_in_score": ("SidecarDiedError", f"exit code 70 on {HOST} while it scored {ROWS}"),
    "segfault_in_score": (
        "SidecarDiedError",
        rf"killed by signal 11 \(SIGSEGV\) on {HOST} while it scored {ROWS}",
    ),
    "hang_in_score": (
        "SidecarTimeoutError",
        f"no answer for 1.5 s on {HOST} while it scored {ROWS}; raise batch_timeout_s",
    ),
}


@pytest.fixture(scope="module")
def ends(daemon_run):
    """What became of each attempt, by fault."""
    return attempts(daemon_run.out)


def logs_of(run, told):
    """The logs of a pipeline's sidecars, one for each executor that had one."""
    return [path.read_text() for path in run.work.rglob(f"dai_spark-*-{told['key']}.log")]


@pytest.mark.parametrize("fault", READ)
def test_the_user_reads_one_message(daemon_run, fault):
    """One error of ours stands in what Spark raises: cause, pipeline, host, and rows if any."""
    told = daemon_run.findings["faults"][fault]
    kind, words = READ[fault]
    found, message, details = told["error"]
    assert found == kind
    assert re.search(words, message)
    assert told["pipeline"] in message
    assert "\n" not in message
    # What hangs may have printed nothing.
    assert details or fault == "hang_in_load"
    assert told["read"].count("dai_spark.errors.") == 1
    assert "During handling of the above exception" not in told["read"]
    assert "direct cause of the following" not in told["read"]


@pytest.mark.parametrize("fault", READ)
def test_each_attempt_says_the_same(ends, fault):
    """A retry that cannot help ends as the first attempt did, with the attempt's own number."""
    found = [errors.from_spark(Exception(one["told"])) for one in ends[fault] if one["told"]]
    assert len(found) >= 4
    assert {type(error).__name__ for error in found} == {READ[fault][0]}
    texts = {re.sub(r"\(stage \d+, attempt \d\)", "", error.message) for error in found}
    assert len(texts) == 1


@pytest.mark.parametrize("fault", READ)
def test_no_attempt_passes_its_limit(ends, fault):
    """Attempts end at the limits that were asked for, far below the default ones of 300 s."""
    assert max(one["ended_s"] - one["begun_s"] for one in ends[fault]) < 60


@pytest.mark.parametrize("fault", ["raise_in_load", "bad_license"])
def test_a_start_that_failed_is_not_tried_again(daemon_run, ends, fault):
    """A task that comes later is refused within 100 ms, by the verdict, without another load.

    What else the four attempts take is Spark's: a new Python worker for each.
    """
    told = daemon_run.findings["faults"][fault]
    assert ends[fault][3]["ended_s"] - ends[fault][0]["ended_s"] < 30
    for start in told["starts"]:
        assert start["error"] == READ[fault][0]
        assert start["seconds"] < 0.1
    logs = logs_of(daemon_run, told)
    assert 1 <= len(logs) <= 2
    for log in logs:
        assert log.count("RuntimeError: stand-in: raise_in_load") == (fault == "raise_in_load")
        assert log.count("the license in DRIVERLESS_AI_LICENSE_KEY is not valid") == (
            fault == "bad_license"
        )


@pytest.mark.parametrize("fault", ["raise_in_load", "bad_license"])
def test_the_probe_finds_it_before_the_job(daemon_run, fault):
    """score_dataframe raises the typed error itself, and soon, with nothing chained to it."""
    told = daemon_run.findings["faults"][fault]
    kind, text, cause = told["probe"]
    assert kind == READ[fault][0]
    assert told["pipeline"] in text
    assert cause == "None"
    assert told["probe_s"] < 30


@pytest.mark.parametrize("fault", ["flood_in_score", "garbage_in_score"])
def test_what_a_pipeline_prints_harms_nothing(daemon_run, ends, faults, own_scores, fault):
    """100 MB on standard output, and bytes that are no text: right scores at the first attempt."""
    scores = pd.read_parquet(daemon_run.out / f"{fault}.parquet")
    own = own_scores(faults.exports[fault], faults.marked_rows)
    own = own.set_index(faults.marked_rows["flight_id"])
    assert_frame_equal(scores.set_index("flight_id").sort_index(), own, check_exact=True)
    assert [one["end"] for one in ends[fault]] == ["Success"]


def test_what_was_printed_is_in_the_log(daemon_run):
    """The flood and the garbage reached the sidecar's output, and no log holds it all."""
    logs = [path.read_bytes() for path in daemon_run.work.rglob("dai_spark-sidecar-*.log*")]
    assert sum(map(len, logs)) < 50_000_000
    assert any(b"stand-in: flooded" in log for log in logs)
    assert any(bytes(range(256)) in log for log in logs)


@pytest.mark.parametrize("fault", [*READ, "flood_in_score", "garbage_in_score"])
def test_no_scorer_is_left(daemon_run, fault):
    """Seconds after its job no scorer, no folder of one and no zombie is there."""
    assert daemon_run.findings["faults"][fault]["gone_s"] is not None


def test_what_hangs_in_loading_is_ended(daemon_run):
    """After the last attempt no sidecar of the pipeline is there."""
    told = daemon_run.findings["faults"]["hang_in_load"]
    assert logs_of(daemon_run, told)
    assert not any(told["key"] in folder for folder in told["after"])


@pytest.mark.parametrize("fault", ["exit_in_score", "segfault_in_score", "hang_in_score"])
def test_a_lost_scorer_costs_no_load(daemon_run, fault):
    """Four attempts lose four scorers; each executor's sidecar has loaded once and lives on."""
    told = daemon_run.findings["faults"][fault]
    logs = logs_of(daemon_run, told)
    assert [log.count("Scorer() constructed") for log in logs] == [1] * len(logs)
    assert sum(log.count("serves partition 0") for log in logs) == 4
    assert sum(told["key"] in folder for folder in told["after"]) == len(logs)
