"""CPU-seconds of a Spark session, by the kind of process, and of the JVM by the kind of thread."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import sidecar_pids
from program import took

TICKS_S = 1 / os.sysconf("SC_CLK_TCK")
# Beginnings of the names of the JVM's threads that run no task, as the kernel cuts them.
JIT = ("C1 Comp", "C2 Comp")
GC = ("GC Thread", "G1 ", "VM Thread")


def cpu_seconds(java_pid: int) -> dict[str, float]:
    """What each kind of process has taken so far, children that have ended included.

    Parameters
    ----------
    java_pid : int
        Of a session in local mode: driver and executor in one.
    """
    sidecars = set(sidecar_pids())
    parents = {pid: _stat(pid)[1] for pid in _pids()}
    found = {"worker": 0.0, "scorer": 0.0}
    for pid in parents:
        if pid in sidecars:
            found["scorer"] += sum(_times(pid, 4))
        elif _is_below(pid, java_pid, parents):
            found["worker"] += sum(_times(pid, 4))
    jvm = sum(_times(java_pid, 2))
    # Daemons of workers that have ended, with all of their workers: a failed task may take one.
    found["worker"] += sum(_times(java_pid, 4)) - jvm
    threads = {"JIT": JIT, "GC": GC}
    parts = {name: _threads(java_pid, begin) for name, begin in threads.items()}
    return {
        "JVM": jvm - sum(parts.values()),
        **parts,
        **found,
        "driver": sum(os.times()[:2]),
    }


def cpu_of(action: Callable[[], Any], java_pid: int) -> dict[str, float]:
    """Run an action: its CPU-seconds by kind, and `wall`, the seconds by the clock."""
    before = cpu_seconds(java_pid)
    wall_s = took(action)
    after = cpu_seconds(java_pid)
    taken = {name: after[name] - before[name] for name in after}
    return {**taken, "sum": sum(taken.values()), "wall": wall_s}


def cpu_of_children(action: Callable[[], Any]) -> dict[str, float]:
    """The same of an action that waits for processes of its own, all of which score."""
    before = os.times()
    wall_s = took(action)
    after = os.times()
    scorer_s = (after[2] + after[3]) - (before[2] + before[3])
    driver_s = (after[0] + after[1]) - (before[0] + before[1])
    return {"scorer": scorer_s, "driver": driver_s, "sum": scorer_s + driver_s, "wall": wall_s}


def _pids() -> list[int]:
    return [int(process.name) for process in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> list[int]:
    """Fields of /proc/PID/stat from the state on, which counts as 0."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return [0, *map(int, text.rpartition(")")[2].split()[1:])]
    return [0] * 40


def _times(pid: int, n: int) -> list[float]:
    """Seconds of user and system, then those of children that have ended."""
    return [ticks * TICKS_S for ticks in _stat(pid)[11 : 11 + n]]


def _is_below(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def _threads(pid: int, begins: tuple[str, ...]) -> float:
    taken_s = 0.0
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            if (thread / "comm").read_text().startswith(begins):
                fields = (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()
                taken_s += sum(map(int, fields[11:13])) * TICKS_S
    return taken_s
