"""What a pipeline does to its own process harms no score, or is told in one sentence."""

import json
import os
import re
import signal
import time

import pytest
from pandas.testing import assert_frame_equal
from processes import wait_until
from scoring_calls import describe, log_of
from scoring_calls import score as score_frame

from dai_spark.errors import DaiSparkError
from dai_spark.testing.scoring_package.fates import CODE_IN_LOAD, CODE_IN_SCORE

# Code that libraries run while they are imported or used, by what it does.
HABITS = {
    "ignores the ends of children": "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "waits for all children in a thread": """
import os, threading, time
def wait():
    while True:
        try:
            os.waitpid(-1, 0)
        except OSError:
            time.sleep(0.01)
threading.Thread(target=wait, daemon=True).start()
""",
    "limits all sockets": "import socket; socket.setdefaulttimeout(0.001)",
    "closes its standard streams": "import os; [os.close(fd) for fd in (0, 1, 2)]",
    "closes what it takes for left over": "import os; os.closerange(3, 1000)",
    "has no stdout": "import sys; sys.stdout = sys.stderr = None",
    "has a stdout that raises": """
import sys
class Broken:
    def __getattr__(self, name):
        raise OSError("broken")
sys.stdout = sys.stderr = Broken()
""",
    "removes its working folder": "import os, shutil; shutil.rmtree(os.getcwd())",
    "leaves its working folder": "import os; os.chdir('/')",
    "handles signals": """
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.set_wakeup_fd(-1)
""",
    "opens files to everybody": "import os; os.umask(0)",
    "lowers limits": """
import resource
for kind, n in ((resource.RLIMIT_NOFILE, 24), (resource.RLIMIT_FSIZE, 0)):
    resource.setrlimit(kind, (n, resource.getrlimit(kind)[1]))
""",
    "makes errors of warnings": "import warnings; warnings.simplefilter('error')",
    "profiles": """
import sys, threading
def profile(*_):
    raise RuntimeError("profiled")
threading.setprofile(profile)
sys.setprofile(profile)
""",
    "registers what to do at exit": "import atexit, os; atexit.register(os.abort)",
    "makes a pool of processes": """
import multiprocessing, builtins
builtins.pool = multiprocessing.Pool(2)
builtins.pool.map(abs, [1, -1])
""",
}
# The pipeline's own next line fails by what it did, as it would without a sidecar.
SPOILS_ITSELF = {
    "closes its standard streams": "Bad file descriptor",
    "has no stdout": "'NoneType' object has no attribute 'write'",
    "has a stdout that raises": "OSError: broken",
    "profiles": "RuntimeError: profiled",
    "removes its working folder": "No such file or directory",
}
SPOILS_ITSELF_IN_SCORE = {
    **SPOILS_ITSELF,
    "leaves its working folder": "No such file or directory",
    "lowers limits": "File too large",
}
# The scorer's own connection goes with the others: at times the client has its answer before.
MAY_FAIL_IN_SCORE = "closes what it takes for left over"
# One habit of each thing that is put back, or watched, is in CI.
IN_CI = (
    "waits for all children in a thread",
    "closes what it takes for left over",
    "has a stdout that raises",
    "leaves its working folder",
    "handles signals",
    "makes a pool of processes",
)
CASES = [pytest.param(habit, marks=() if habit in IN_CI else pytest.mark.long) for habit in HABITS]


@pytest.fixture(scope="module")
def told(export):
    """The path of a pipeline that does what it is told."""
    return export(fate="as_told")


@pytest.fixture
def own(plan, told, shared_executor, flights):
    """The scores of ten rows by the same pipeline, told nothing."""
    return score_frame(describe(plan(told), shared_executor), shared_executor, flights.head(10))


def score_twice(made, executor, flights):
    """Describe a pipeline, and score ten rows by two calls, of one scorer where it serves both."""
    made = describe(made, executor)
    first = score_frame(made, executor, flights.head(10))
    # The moment that a scorer takes to say that it is free.
    time.sleep(0.5)
    return [first, score_frame(made, executor, flights.head(10))]


@pytest.mark.parametrize("habit", CASES)
def test_what_a_pipeline_does_while_it_loads_harms_nothing(
    plan, told, own_executor, flights, own, habit
):
    """It scores as it does without the habit, soon, by fork or by spawn; and ends when told to.

    What the pipeline itself fails by is told in its own words.
    """
    made = plan(told, env_vars={CODE_IN_LOAD: HABITS[habit], CODE_IN_SCORE: ""})
    begun = time.monotonic()
    if habit in SPOILS_ITSELF:
        with pytest.raises(DaiSparkError, match=re.escape(SPOILS_ITSELF[habit])) as caught:
            describe(made, own_executor)
        assert "\n" not in caught.value.message.partition(SPOILS_ITSELF[habit])[0]
    else:
        made = describe(made, own_executor)
        assert_frame_equal(score_frame(made, own_executor, flights.head(10)), own)
    assert time.monotonic() - begun < 30
    for ready in own_executor.folder.glob("*/ready.json"):
        said = json.loads(ready.read_text())
        if said["start_method"] == "spawn":
            assert "start_method='spawn'" in log_of(own_executor)
        os.kill(said["pid"], signal.SIGTERM)
    assert wait_until(lambda: not [*own_executor.folder.glob("*/ready.json")], 10)


@pytest.mark.parametrize("habit", CASES)
def test_what_a_pipeline_does_while_it_scores_harms_nothing(
    plan, told, own_executor, flights, own, habit
):
    """As while it loads."""
    code = f"if 'scorer-' in __import__('os').getcwd():\n    exec({HABITS[habit]!r})"
    options = {"start_method": "fork", "batch_timeout_s": 10}
    made = plan(told, env_vars={CODE_IN_LOAD: "", CODE_IN_SCORE: code}, **options)
    if habit in SPOILS_ITSELF_IN_SCORE:
        told_by = re.escape(SPOILS_ITSELF_IN_SCORE[habit])
        with pytest.raises(DaiSparkError, match=told_by):
            score_twice(made, own_executor, flights)
        return
    try:
        both = score_twice(made, own_executor, flights)
    except DaiSparkError as error:
        assert habit == MAY_FAIL_IN_SCORE, error
        assert "\n" not in error.message
        return
    for scores in both:
        assert_frame_equal(scores, own)
