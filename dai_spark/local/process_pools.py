"""The pools of this process, one for each content; what a fork and the process's end do to them."""

import atexit
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Dict, Optional, Set, Tuple

from dai_spark.client.executor import current_executor
from dai_spark.host.file_lock import lock_within
from dai_spark.local.connection_pool import ConnectionPool
from dai_spark.local.fork_lock import LOCK
from dai_spark.plan.plan import Description

__all__ = ["DESCRIPTIONS", "join_pool", "leave_pool"]

_Key = Tuple[Path, str]

_LOCK_S = 1.0

_pools: Dict[_Key, ConnectionPool] = {}
_folders: Set[Path] = set()
# What pipelines have said of themselves, by content and options: true in forked processes too.
DESCRIPTIONS: Dict[Tuple[str, str], Description] = {}


def join_pool(key: str, user: object, max_scorers: Optional[int]) -> ConnectionPool:
    """The pool of this process for a content, made if need be.

    Parameters
    ----------
    key : str
        Of the plan.
    user : object
        The handle that will use it.
    max_scorers : int or None
    """
    with LOCK:
        executor = current_executor()
        if executor.owner.pid == os.getpid():
            _folders.add(executor.folder)
        pool = _pools.get((executor.folder, key))
        if pool is None:
            pool = ConnectionPool(executor, lambda: _clean(executor.folder, key))
            _pools[executor.folder, key] = pool
        pool.join(user, max_scorers)
        return pool


def leave_pool(key: str, user: object, pool: ConnectionPool) -> None:
    """End a handle's calls, and the pool where no other handle uses it."""
    with LOCK:
        is_last = pool.leave(user)
        if is_last:
            _pools.pop((pool.executor.folder, key), None)
    if is_last:
        pool.close()


def _clean(folder: Path, key: str) -> None:
    """Take away what a sidecar that has ended leaves in this process's folder."""
    try:
        # The kernel frees it a moment after the sidecar's end.
        lock = lock_within(folder / f"{key[:20]}.lock", _LOCK_S)
    except (OSError, TimeoutError):
        return
    try:
        with LOCK:
            if (folder, key) in _pools:
                # Somebody has opened the same content meanwhile.
                return
            shutil.rmtree(folder / key[:20], ignore_errors=True)
            for path in folder.glob(f"*{key[:20]}*"):
                path.unlink(missing_ok=True)
            # Not where sidecars of other contents have theirs.
            with suppress(OSError):
                folder.rmdir()
    finally:
        os.close(lock)


@atexit.register
def _end_all() -> None:
    with LOCK:
        pools = list(_pools.values())
        _pools.clear()
        folders = list(_folders)
    for pool in pools:
        pool.close()
    for folder in folders:
        # What others have started there ends with it.
        shutil.rmtree(folder, ignore_errors=True)


def _forget_parent() -> None:
    for pool in _pools.values():
        pool.forget()
    _pools.clear()
    _folders.clear()


os.register_at_fork(after_in_child=_forget_parent)
