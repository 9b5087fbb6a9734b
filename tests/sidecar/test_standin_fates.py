"""The stand-in's fates: what it is told to suffer, it suffers."""

import signal

import pytest

from dai_spark.testing import (
    MARK_NUMBER,
    MARK_TEXT,
)

TIMEOUT_S = 60


FORK = """
scorer, table = make(), rows()
expected = scorer.score_batch(table).values
child = os.fork()
if child == 0:
    os.mkdir("child")
    import shutil
    shutil.copytree("tmp", "child/tmp")
    os.chdir("child")
    try:
        same = (scorer.score_batch(table).values == expected).all()
        os._exit(0 if same else 1)
    except RuntimeError:
        os._exit(2)
import time
deadline, ended = time.time() + float(os.environ["WAIT"]), 0
while not ended and time.time() < deadline:
    ended, status = os.waitpid(child, os.WNOHANG)
    time.sleep(0.02)
if not ended:
    os.kill(child, 9)
    os.waitpid(child, 0)
tell(status=os.WEXITSTATUS(status) if ended else "hangs")
"""


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_loaded_scorer_bears_a_fork(install, tmp_path, model):
    """With one OpenMP thread, a forked child gives the same scores."""
    pipeline = install("binomial", model)
    done = pipeline.run(FORK, pipeline.folder(tmp_path), WAIT="30")
    assert done.told == {"status": 0}


@pytest.mark.parametrize(
    ("fate", "status"), [("refuses_fork", "hangs"), ("refuses_fork_by_raising", 2)]
)
def test_fork_can_be_refused(binomial, tmp_path, fate, status):
    """A scorer that was loaded in another process hangs or raises, as asked."""
    pipeline = binomial.with_habits(tmp_path / "habits", fate=fate)
    done = pipeline.run(FORK, pipeline.folder(tmp_path / "cwd"), WAIT="3")
    assert done.told == {"status": status}


@pytest.mark.parametrize(
    ("fate", "returncode", "text"),
    [
        ("raise_in_load", 1, "RuntimeError: stand-in: raise_in_load"),
        ("exit_in_load", 70, ""),
        ("segfault_in_load", -signal.SIGSEGV, ""),
        ("needs_recipe_server", 1, "H2OConnectionError"),
        ("raise_in_score", 1, "ValueError: stand-in: raise_in_score"),
        ("leave_in_score", 255, ""),
        ("exit_in_score", 70, ""),
        ("segfault_in_score", -signal.SIGSEGV, ""),
    ],
)
def test_fates_that_end_the_process(binomial, tmp_path, fate, returncode, text):
    """Each fate happens as named; in scoring, not before a marked row is met."""
    pipeline = binomial.with_habits(tmp_path / "habits", fate=fate)
    cwd = pipeline.folder(tmp_path / "cwd")
    mark = "dest" if fate != "exit_in_score" else "dep_delay"
    value = MARK_TEXT if mark == "dest" else MARK_NUMBER
    done = pipeline.run(
        f"""
scorer, table = make(), rows()
scorer.score_batch(table)
tell(came="to the mark")
table.loc[7, {mark!r}] = {value!r}
scorer.score_batch(table)
""",
        cwd,
    )
    assert done.returncode == returncode, done.err
    assert text in done.err
    assert done.told == ({"came": "to the mark"} if fate.endswith("score") else None)


def test_fates_that_spoil_the_answer(binomial, tmp_path):
    """A marked row may come back as NaN, or be lacking, or take memory for ever."""
    script = f"""
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
scorer, table = make(), rows()
table.loc[7, "dest"] = {MARK_TEXT!r}
found = scorer.score_batch(table)
before = memory()
for i in range(5):
    scorer.score_batch(table)
tell(n=len(found), nan=list(np.flatnonzero(found.isna().any(axis=1))),
     grown=memory() - before)
"""
    found = {}
    for fate in ("nan_in_score", "short_in_score", "grow_in_score"):
        pipeline = binomial.with_habits(tmp_path / fate, fate=fate)
        found[fate] = pipeline.run(script, pipeline.folder(tmp_path / fate / "cwd")).told
    assert found["nan_in_score"]["nan"] == [7]
    assert found["short_in_score"]["n"] == found["nan_in_score"]["n"] - 1
    assert found["grow_in_score"]["grown"] > 40_000_000 > found["nan_in_score"]["grown"]


def test_threads_are_refused(binomial, tmp_path):
    """Two threads in one scorer: one of them gets an error, not a wrong score."""
    pipeline = binomial.with_habits(tmp_path / "habits", score_seconds=1.0)
    done = pipeline.run(
        """
import threading
scorer, table, errors = make(), rows(), []
def score():
    try:
        scorer.score_batch(table)
    except RuntimeError as error:
        errors.append(str(error))
threads = [threading.Thread(target=score) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
tell(errors=errors)
""",
        pipeline.folder(tmp_path / "cwd"),
    )
    assert ["two threads" in error for error in done.told["errors"]] == [True]
