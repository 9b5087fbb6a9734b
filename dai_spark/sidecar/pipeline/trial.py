"""The trial fork: whether a forked copy of the loaded pipeline can score.

A thread exists in the process that started it and not in a fork of it.  So a pipeline that made
a pool of threads or processes while it loaded (OpenMP, `multiprocessing.Pool`, joblib) waits in a
fork for an answer that nobody gives.
"""

import os
import select
import signal
import time
import traceback
from typing import Callable, Optional

from ..log import flush, say
from .scorer import Refused

_POLL_S = 0.005
# A process that waits for itself is looked at again after so long, before it is taken for hung.
_LOOK_S = 0.5
# Number of the system call futex(2) by machine.
_FUTEX = {"x86_64": 202, "aarch64": 98, "ppc64le": 221}
_FUTEX_PRIVATE = 128
_FUTEX_WAITS = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET


def can_be_forked(
    fork: Callable[[], int], score: Callable[[], None], limit_s: float
) -> Optional[str]:
    """Score in a forked child; return None, or what befell it, in words.

    Parameters
    ----------
    fork : callable
        Like `os.fork`.
    score : callable
        What the child does.
    limit_s : float
        A child that takes longer has hung.  One whose threads all wait for each other is noticed
        at once, where the kernel tells (Linux).
    """
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        status = 1
        try:
            score()
            status = 0
            os.write(writing, b"1")
        except Refused as error:
            say(error.data["traceback"])
        except BaseException:
            say(traceback.format_exc())
        finally:
            flush()
            os._exit(status)
    os.close(writing)
    try:
        return _fate(pid, reading, limit_s)
    finally:
        os.close(reading)


def _fate(pid: int, reading: int, limit_s: float) -> Optional[str]:
    deadline = time.monotonic() + limit_s
    look_at = time.monotonic() + _LOOK_S
    waited_for_itself = False
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            # The pipeline ignores SIGCHLD, or waits for all children in a thread.
            if select.select([reading], [], [], 0)[0] and os.read(reading, 1):
                return None
            return "ended, and the pipeline itself took its exit status"
        if ended:
            return None if status == 0 else "ended with status {}".format(status)
        now = time.monotonic()
        if now > look_at:
            if _waits_for_itself(pid) and waited_for_itself:
                _kill(pid)
                return (
                    "hung (it waits for a thread that a fork does not have: the pipeline makes a "
                    "pool of threads or processes while it is loaded)"
                )
            waited_for_itself = _waits_for_itself(pid)
            look_at = now + _LOOK_S
        if now > deadline:
            _kill(pid)
            return "hung for {:.0f} s".format(limit_s)
        time.sleep(_POLL_S)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except OSError:
        pass


def _waits_for_itself(pid: int) -> bool:
    """Whether all threads of a process wait, without a limit, for one of the same process."""
    number = _FUTEX.get(os.uname().machine)
    try:
        tasks = os.listdir("/proc/{}/task".format(pid))
        for task in tasks:
            with open("/proc/{}/task/{}/syscall".format(pid, task)) as stream:
                # The number, six arguments, stack and instruction pointer; or "running".
                words = stream.read().split()
            if len(words) < 7 or int(words[0]) != number:
                return False
            operation, limit = int(words[2], 16), int(words[4], 16)
            if not operation & _FUTEX_PRIVATE or operation & 0x7F not in _FUTEX_WAITS or limit:
                return False
    except (OSError, ValueError):
        # Not Linux, or not told here.
        return False
    return bool(tasks)
