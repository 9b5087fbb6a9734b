"""What lies unpacked in this host's cache, who uses it, and what goes when there is too much.

Beside a folder ``<kind>/<digest>`` lie two files, which stay when the folder goes::

    <digest>.lock   exclusive while somebody unpacks or removes the folder
    <digest>.use    shared while somebody runs from the folder; its time of change is the last use

A sidecar inherits the shared lock and its scorers inherit it from the sidecar, so it lasts until
the last of them has ended, however they end.  It is taken before anybody looks whether the folder
is there: a folder that was found stays until whoever found it lets go.
"""

import contextlib
import errno
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence, Union

from dai_spark.errors import EnvironmentUnpackError
from dai_spark.host.atomic_file import beside
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.file_lock import SHARED, held, lock_within, try_lock
from dai_spark.plan.plan import ScoringPlan

__all__ = ["CachedFolder", "cached_folders", "evict", "in_use", "measure", "touch", "used_folders"]

_KINDS = ("environments", "pipelines")
_SIZE_NAME = "unpacked_bytes"
# Somebody else who evicts does our work as well, so we need not wait long.
_WAIT_S = 10.0


@dataclass(frozen=True)
class CachedFolder:
    """A folder in the cache.

    Attributes
    ----------
    path : Path
    n_bytes : int
        What it takes on the disk.
    last_use : float
        Seconds since 1970.
    """

    path: Path
    n_bytes: int
    last_use: float

    @property
    def kind(self) -> str:
        """``"environment"`` or ``"pipeline"``."""
        return self.path.parent.name[:-1]

    def is_in_use(self) -> bool:
        """Whether a sidecar runs from it, or somebody is just about to start one."""
        lock = try_lock(_beside(self.path, "use"))
        if lock is None:
            return True
        os.close(lock)
        return False

    def remove(self) -> bool:
        """Remove it unless it is in use; return whether it was removed."""
        with contextlib.ExitStack() as locks:
            for ending in ("lock", "use"):
                lock = try_lock(_beside(self.path, ending))
                if lock is None:
                    return False
                locks.callback(os.close, lock)
            aside = beside(self.path)
            try:
                # In one step, so that what is half removed is never found.
                self.path.rename(aside)
            except FileNotFoundError:
                return False
            shutil.rmtree(aside, ignore_errors=True)
        return True


def used_folders(plan: ScoringPlan) -> List[Path]:
    """The folders of this host's cache that a sidecar for `plan` runs from, unpacked or not."""
    files = zip(("pipelines", "environments"), (plan.pipeline, plan.environment))
    return [
        private_folder(cache_folder() / kind) / file.digest
        for kind, file in files
        if file.kind in ("spark", "path")
    ]


@contextlib.contextmanager
def in_use(folders: Sequence[Path], timeout_s: float) -> Iterator[List[int]]:
    """Keep folders of the cache from being evicted, whether or not they are there already.

    Yields
    ------
    list of int
        Descriptors for a process to inherit that goes on using them.
    """
    with contextlib.ExitStack() as locks:
        fds = []
        for folder in folders:
            try:
                fd = lock_within(_beside(folder, "use"), timeout_s, SHARED)
            except TimeoutError as error:
                raise EnvironmentUnpackError(
                    f"Another process of this host removes {folder} from the cache for more than "
                    f"{timeout_s:g} s; raise start_timeout_s, or look why the disk is so slow."
                ) from error
            except OSError as error:
                if error.errno == errno.EROFS:
                    # Nobody can evict from a disk that nobody can write.
                    continue
                raise EnvironmentUnpackError(
                    f"The cache of environments in {folder.parent} cannot be used "
                    f"({error.strerror or error}); make room there, or set DAI_SPARK_CACHE on the "
                    "executors to a folder of another disk."
                ) from error
            locks.callback(os.close, fd)
            _touch(fd)
            fds.append(fd)
        yield fds


def touch(folders: Sequence[Path]) -> None:
    """Note that folders of the cache are used now, by who holds them in use already."""
    for folder in folders:
        with contextlib.suppress(OSError):
            _touch(_beside(folder, "use"))


def measure(folder: Path) -> int:
    """Return what a folder takes on the disk, and write it into the folder for later."""
    # By inode: several names of one file take its room once.
    statuses = (path.lstat() for path in (folder, *folder.rglob("*")))
    n_bytes = sum({found.st_ino: found.st_blocks * 512 for found in statuses}.values())
    with contextlib.suppress(OSError):
        (folder / _SIZE_NAME).write_text(str(n_bytes), encoding="utf-8")
    return n_bytes


def cached_folders() -> List[CachedFolder]:
    """What lies in this host's cache, least recently used first."""
    found = []
    for kind in _KINDS:
        for folder in (cache_folder() / kind).glob("[!.]*"):
            if folder.is_dir():
                # Gone by now, where another process evicts.
                with contextlib.suppress(FileNotFoundError):
                    found.append(_look(folder))
    return sorted(found, key=lambda one: one.last_use)


def evict(limit_bytes: int) -> List[CachedFolder]:
    """Remove the least recently used folders that nobody uses, until the rest is within the limit.

    Runs in a Python worker that has just unpacked something, and for ``dai-spark env cache``.
    Never raises for what the disk does: scoring goes on with a cache that is too large.
    """
    removed = []
    with contextlib.suppress(OSError), held(cache_folder() / "evict.lock", _WAIT_S):
        _sweep()
        folders = cached_folders()
        n_bytes = sum(one.n_bytes for one in folders)
        for one in folders:
            if n_bytes <= limit_bytes:
                break
            if one.remove():
                n_bytes -= one.n_bytes
                removed.append(one)
    return removed


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(f"{folder.name}.{ending}")


def _touch(use: Union[int, Path]) -> None:
    # The kernel's own "now" has steps of milliseconds, within which uses would have no order.
    now_ns = time.time_ns()
    os.utime(use, ns=(now_ns, now_ns))


def _look(folder: Path) -> CachedFolder:
    try:
        n_bytes = int((folder / _SIZE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        n_bytes = measure(folder)
    use = _beside(folder, "use")
    return CachedFolder(folder, n_bytes, (use if use.exists() else folder).stat().st_mtime)


def _sweep() -> None:
    """Remove what processes left that were killed while they unpacked or removed."""
    for kind in _KINDS:
        for left in (cache_folder() / kind).glob(".*.*"):
            digest = left.name[1:].partition(".")[0]
            lock = try_lock(left.with_name(f"{digest}.lock"))
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
