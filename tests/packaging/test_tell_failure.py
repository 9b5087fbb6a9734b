"""What cron mails: jobs/cron/tell-failure around commands that end in every way."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "jobs" / "cron" / "tell-failure"
REFUSED = "dai-spark: The target exists; give --mode append."


@pytest.fixture
def mailed(tmp_path):
    """Run a night's command, and return its exit status and what cron would mail."""
    log = tmp_path / "customers.log"

    def run(script):
        done = subprocess.run(
            [SCRIPT, log, "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
            check=False,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        return done.returncode, done.stdout

    run.log = log
    return run


def test_a_good_night_mails_nothing(mailed):
    """Whatever it prints goes to the log, one night behind the other."""
    for night in ("one", "two"):
        assert mailed(f"echo {night}; echo 'dai-spark: a message' >&2") == (0, "")
    assert mailed.log.read_text() == "one\ndai-spark: a message\ntwo\ndai-spark: a message\n"


def test_a_failure_mails_its_own_sentence(mailed):
    """Not the line that says how to see more, and with the exit status of the job."""
    hint = "dai-spark: --verbose shows what this rests on."
    status, text = mailed(f"echo 'dai-spark: begun'; echo '{REFUSED}'; echo '{hint}'; exit 3")
    assert status == 3
    assert text.splitlines()[1:] == [REFUSED]
    assert f"status 3 on {os.uname().nodename}; the log is {mailed.log}" in text


def test_a_run_that_died_before_its_sentence_mails_no_earlier_one(mailed):
    """Killed, or never begun: its own last lines, though the log has yesterday's sentence."""
    mailed(f"echo '{REFUSED}'; exit 3")
    status, text = mailed("echo 'WARN of its own'; kill -9 $$")
    assert status == 128 + signal.SIGKILL
    assert "exists" not in text
    assert "WARN of its own" in text
    status, text = mailed("exec /no/such/spark-submit")
    assert status == 127
    assert "exists" not in text
    assert "/no/such/spark-submit" in text
    assert REFUSED in mailed.log.read_text()


def test_a_log_that_cannot_be_written_is_told_and_hides_no_failure(mailed):
    """A folder lies in the log's place."""
    mailed.log.mkdir()
    status, text = mailed(f"echo '{REFUSED}'; exit 3")
    assert status == 3
    assert REFUSED in text
    assert "cannot be written" in text


def test_nothing_is_left_behind(mailed, tmp_path):
    """The run's own lines lie in no temporary file afterwards."""
    mailed("exit 0")
    mailed("exit 1")
    assert list(tmp_path.iterdir()) == [mailed.log]
