"""The licence is in no process's first environment, no file and no error, whatever pipelines do."""

from pathlib import Path

import pytest
from processes import processes_of, wait_until
from scoring_calls import batches_of, describe

from dai_spark.client.connection import Connection
from dai_spark.client.isolate import isolate_batches
from dai_spark.client.score import score_batches
from dai_spark.errors import SidecarStartError
from dai_spark.testing import MARK_TEXT

# Less tells nothing of a licence.
PIECE = 16


def pieces(secret):
    return {secret[i : i + PIECE] for i in range(len(secret) - PIECE + 1)}


def assert_tells_nothing(text, secret):
    """No piece of the licence stands in a text, whatever stands around it."""
    found = [piece for piece in pieces(secret) if piece in text]
    assert found == [], text[max(0, text.find(found[0]) - 100) :][:300]


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("start_method", "fate"),
    [("fork", None), ("spawn", None), ("auto", "refuses_fork_by_raising")],
    ids=["fork", "spawn", "auto that falls back to spawn"],
)
def test_no_process_has_it_in_its_environment_or_command_line(
    plan, own_executor, export, license_text, start_method, fate
):
    """Of sidecar, log writer and scorer, as /proc shows them to others of the host."""
    words = {"fate": fate} if fate else {}
    made = plan(export(**words), start_method=start_method)
    with Connection(made, own_executor) as connection:
        described = connection.describe()
        assert described.start_method == ("fork" if start_method == "fork" else "spawn")
        ours = [
            pid
            for pid in map(int, (p.name for p in Path("/proc").glob("[0-9]*")))
            if belongs(pid, own_executor.folder)
        ]
        assert len(ours) >= 3
        for pid in ours:
            for name in ("environ", "cmdline"):
                shown = Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")
                assert_tells_nothing(shown, license_text)
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"DRIVERLESS_AI_LICENSE" not in environment
            # Else there would be nothing to look at.
            assert b"OMP_NUM_THREADS=1" in environment
    assert wait_until(lambda: processes_of(str(own_executor.folder)) is not None)


def belongs(pid, folder):
    """Whether a process runs, or writes, below an executor's folder."""
    try:
        held = [str(Path(f"/proc/{pid}/cwd").readlink())]
        held += [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        source = b"/sidecar/" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return source and any(one.startswith(str(folder)) for one in held)


def test_a_pipeline_that_prints_and_raises_it_in_scoring_shows_it_nowhere(
    plan, own_executor, export, flights, license_text
):
    """Errors, quarantine's reasons, the log and every other file: whole, as repr, JSON, folded."""
    made = describe(plan(export(fate="tell_license_in_score")), own_executor)
    frame = flights.head(30).copy()
    frame.loc[7, "carrier"] = MARK_TEXT
    (failed,) = [s.error for s in score_batches(made, batches_of(frame), own_executor) if s.error]
    assert "stand-in: the licence ***" in failed.message
    assert_tells_nothing(str(failed) + failed.details + failed.cause, license_text)
    reasons = []
    for found in isolate_batches(made, batches_of(frame), own_executor):
        reasons += [reason for reason in found.error.to_pylist() if reason]
    assert len(reasons) == 1
    assert "stand-in: the licence ***" in reasons[0]
    assert_tells_nothing(reasons[0], license_text)
    logs = [path for path in files_below(own_executor.folder) if "stand-in: told" in text_of(path)]
    assert logs
    for path in files_below(own_executor.folder):
        assert_tells_nothing(text_of(path), license_text)


def test_a_pipeline_that_prints_and_raises_it_in_loading_shows_it_nowhere(
    plan, own_executor, export, license_text
):
    """The error, the verdict that is remembered, and the log."""
    with pytest.raises(SidecarStartError, match=r"stand-in: the licence \*\*\*") as raised:
        describe(plan(export(fate="tell_license_in_load")), own_executor)
    assert_tells_nothing(str(raised.value) + raised.value.details, license_text)
    names = {path.name for path in files_below(own_executor.folder)}
    assert "verdict.json" in names
    assert [name for name in names if name.endswith(".log")]
    for path in files_below(own_executor.folder):
        assert_tells_nothing(text_of(path), license_text)


def text_of(path):
    return path.read_bytes().decode("utf-8", "replace")
