"""JobLock: one run of a job at a time, on whatever hosts its drivers are."""

import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Optional, Type

from dai_spark.errors import OverlapError
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

__all__ = ["JobLock"]

_BEAT_S = 10.0
_STALE_S = 60.0
_POLL_S = 1.0


class JobLock:
    """A file beside the target that the running driver keeps touching.

    Lives on the driver.  A lock whose driver was killed is taken over: at once where its process
    was on this host, else when its file has not changed for a minute by this host's clock.  No two
    clocks are compared.

    Parameters
    ----------
    file : HadoopPath
        Where the lock lies.
    job_name : str
        Who holds it, for the one who waits.
    on_overlap : {"wait", "refuse"}
    timeout_s : float
        How long to wait at most.
    on_message : callable
        Is told of a run that is waited for, or whose lock is taken over.
    stale_s : float
        A lock that has not changed for so long is nobody's: longer than a driver's longest pause.

    Attributes
    ----------
    has_waited : bool
        Whether another run was at work when the lock was asked for.
    """

    def __init__(
        self,
        file: HadoopPath,
        job_name: str,
        on_overlap: str,
        timeout_s: float,
        on_message: Callable[[str], None],
        stale_s: float = _STALE_S,
    ) -> None:
        self._file = file
        self._on_overlap = on_overlap
        self._timeout_s = timeout_s
        self._on_message = on_message
        self._stale_s = stale_s
        self.has_waited = False
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._beat: Optional[threading.Thread] = None
        self._mine: Dict[str, Any] = {
            "token": uuid.uuid4().hex,
            "job": job_name,
            "host": socket.gethostname(),
            "boot": _boot(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }

    def __enter__(self) -> "JobLock":
        self._file.parent.make()
        deadline = time.monotonic() + self._timeout_s
        seen: Optional[str] = None
        seen_at = begun = time.monotonic()
        while not self._file.create(self._text(0)):
            text = self._file.read()
            if text != seen:
                if text is not None and not _is_dead(text):
                    self._announce(text, has_moved=seen is not None)
                seen, seen_at = text, time.monotonic()
            if text is not None and (_is_dead(text) or time.monotonic() - seen_at > self._stale_s):
                self._take_over(text)
                continue
            if time.monotonic() > deadline and not (
                self._on_overlap == "refuse" and time.monotonic() - begun <= 2 * self._stale_s
            ):
                raise OverlapError(
                    f"{_holder(text)} still runs after {self._timeout_s:g} s; wait longer "
                    "(--overlap-timeout-s), or look what holds it up."
                )
            self.has_waited = True
            time.sleep(_POLL_S)
        self._beat = threading.Thread(target=self._keep, daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._ended.set()
        if self._beat is not None:
            self._beat.join(_BEAT_S)
        if self._is_mine():
            self._file.remove()

    def check(self) -> None:
        """Make sure, before a commit, that nobody has taken the lock over meanwhile.

        Raises
        ------
        OverlapError
            This driver stood still for so long that another run took it for dead.
        """
        if self._lost.is_set() or not self._is_mine():
            raise OverlapError(
                f"Another run has taken over {self._file.path}, since this one stood still for "
                f"more than {self._stale_s:g} s; nothing was written, the other run does the work."
            )

    def _announce(self, text: str, has_moved: bool) -> None:
        """Tell of a run that may be at work; refuse where one surely is and that is not wanted.

        Surely: its process is on this host, or its lock has changed before these eyes.
        """
        if self._on_overlap == "refuse":
            if not (has_moved or _is_here(text)):
                self._on_message(
                    f"{_holder(text)} has left a lock; looking whether it is at work, which takes "
                    f"up to {self._stale_s:g} s"
                )
                return
            raise OverlapError(
                f"{_holder(text)} is at work; run again when it has ended, or give --on-overlap "
                "wait."
            )
        if not has_moved:
            self._on_message(f"{_holder(text)} is at work; waiting for its end")

    def _take_over(self, stale: str) -> None:
        """Move the dead lock away; of several that try, one rename succeeds."""
        aside = self._file.parent / f".{self._file.name}.{self._mine['token']}"
        try:
            self._file.rename_to(aside)
        except Exception:  # noqa: BLE001 - somebody else was quicker
            return
        if aside.read() != stale and not self._file.exists():
            # Another run was quicker, and this is its new lock.
            aside.rename_to(self._file)
            return
        aside.remove()
        self._on_message(f"{_holder(stale)} was killed; its lock is taken over")

    def _keep(self) -> None:
        n_beats = 0
        while not self._ended.wait(_BEAT_S):
            n_beats += 1
            try:
                if not self._is_mine():
                    self._lost.set()
                    return
                self._file.write(self._text(n_beats))
            except Exception:  # noqa: BLE001 - the next beat tries again; check() decides
                continue

    def _is_mine(self) -> bool:
        found = self._file.read_json()
        return found is not None and found.get("token") == self._mine["token"]

    def _text(self, n_beats: int) -> str:
        return json.dumps({**self._mine, "beat": n_beats})


def _holder(text: Optional[str]) -> str:
    try:
        found = json.loads(text or "")
        return (
            f"Another run of {found['job']!r} (process {found['pid']} on {found['host']}, "
            f"since {found['since']})"
        )
    except (ValueError, KeyError, TypeError):
        return "Another run of the same job"


def _is_dead(text: str) -> bool:
    """Whether the lock's process ran on this host, and has ended."""
    return _is_here(text) and not _lives(text)


def _is_here(text: str) -> bool:
    """Whether the lock's process runs, or ran, on this host."""
    try:
        found = json.loads(text)
        return (found["host"], found["boot"]) == (socket.gethostname(), _boot())
    except (ValueError, KeyError, TypeError):
        return False


def _lives(text: str) -> bool:
    try:
        found = json.loads(text)
        return bool(_started(int(found["pid"])) == found["started"])
    except (ValueError, KeyError, TypeError):
        return True


def _boot() -> str:
    """Identify this boot and container: others of its host name have process ids of their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> Optional[str]:
    """When a process started, in the kernel's ticks: process ids are used again.  None: gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # A killed driver whose parent has not asked for its status yet.
    return None if fields[0] in "ZX" else fields[19]
