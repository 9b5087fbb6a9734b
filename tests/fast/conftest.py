"""Nothing here starts a process: whoever tries fails, whatever library it comes from."""

import sys

import pytest

STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system")
# What libraries ask the system once on a new machine and remember: matplotlib for the fonts, numpy
# for the processor.
QUESTIONS = ("fc-list", "lscpu")

# Python keeps an audit hook until it ends, and other folders' tests may follow.
_is_fast = False


def _refuse(event, arguments):
    if _is_fast and event in STARTS and arguments[:1] not in [(name,) for name in QUESTIONS]:
        raise AssertionError(f"a test of tests/fast starts a process ({event}: {arguments[:1]})")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def no_process():
    """Refuse each start of a process while a test runs."""
    global _is_fast
    _is_fast = True
    yield
    _is_fast = False
