"""Processes of a Spark session and their memory, as the kernel tells it in /proc."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from session import LOCAL_FOLDER


def sidecar_pids() -> list[int]:
    """Sidecars and their scorers, known by working below the session's local folder."""
    found = []
    folder = str(LOCAL_FOLDER.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            working = str((process / "cwd").readlink())
            if working.startswith(folder) and any("/sidecar/" in w for w in words):
                found.append(int(process.name))
    return found


def worker_pids(java_pid: int) -> list[int]:
    """Python workers of an executor: what its pyspark daemons have forked."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            stat = (process / "stat").read_text(errors="replace")
            parents[int(process.name)] = int(stat.rpartition(")")[2].split()[1])
    daemons = {pid for pid, parent in parents.items() if parent == java_pid}
    sidecars = set(sidecar_pids())
    return [pid for pid, parent in parents.items() if parent in daemons and pid not in sidecars]


def proportional_bytes(pid: int) -> int:
    """Proportional set size: a page that n processes share counts for a nth in each."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def peak_bytes(pid: int) -> int:
    """The most that a process ever held in memory, shared pages counted whole."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM:")


def _field(path: Path, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


class Watch:
    """Looks at a session's processes a few times a second, while a ``with`` block runs.

    Attributes
    ----------
    n_scorers : int
        Most processes of sidecars that were seen at once.
    proportional_bytes : int
        Of all of them together, at the moment when it was largest among those with most processes.
    worker_peak_bytes, scorer_peak_bytes : int
        Of the largest Python worker, and of the largest process of a sidecar.
    """

    def __init__(self, java_pid: int, every_s: float = 0.2) -> None:
        self._java_pid = java_pid
        self._every_s = every_s
        self._done = threading.Event()
        self.n_scorers = self.proportional_bytes = 0
        self.worker_peak_bytes = self.scorer_peak_bytes = 0

    def _look(self) -> None:
        while not self._done.wait(self._every_s):
            pids = sidecar_pids()
            total = sum(map(proportional_bytes, pids))
            seen = (len(pids), total)
            if seen > (self.n_scorers, self.proportional_bytes):
                self.n_scorers, self.proportional_bytes = seen
            self.scorer_peak_bytes = max([self.scorer_peak_bytes, *map(peak_bytes, pids)])
            workers = map(peak_bytes, worker_pids(self._java_pid))
            self.worker_peak_bytes = max([self.worker_peak_bytes, *workers])

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield the attributes, for a result."""
        for name in ("n_scorers", "proportional_bytes", "worker_peak_bytes", "scorer_peak_bytes"):
            yield name, getattr(self, name)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
