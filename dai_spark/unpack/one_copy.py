"""One copy of a shipped archive on a host, whatever number of sessions and executors have it.

Spark keeps a file that was shipped once for each executor and session, and once more in the
executor's cache of fetched files; over Connect all of them stay until the application ends, though
the session that sent it has long ended.  They hold the same bytes, so they become names of one
file::

    <cache>/shipped/<digest>          the file
    <executor>/<session>/<name>       another name of it
    <executor>/spark-*/*_cache        another one

When Spark removes its names, the file has one left, and whoever comes next removes that one.  What
lies on another disk than the cache stays as it is.
"""

import contextlib
import filecmp
import os
from pathlib import Path
from typing import Iterator, Set

from dai_spark.errors import EnvironmentUnpackError
from dai_spark.host.atomic_file import replacing
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.digest import file_digest
from dai_spark.host.file_lock import held
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.unpack.folders import spark_file

__all__ = ["keep_one_copy"]

# Below, names cost more than bytes.
_WORTH_BYTES = 1 << 20
_WAIT_S = 10.0
# Paths that this process has seen to: a worker has thousands of tasks of one session.
_seen: Set[Path] = set()


def keep_one_copy(plan: ScoringPlan) -> None:
    """Make what Spark has brought to this executor names of one file of this host.

    Runs in a Python worker whose sidecar is ready, so that everything is unpacked; it does
    something once for each session and executor.  Never raises for what the disk does: scoring
    goes on with more copies.

    Parameters
    ----------
    plan : ScoringPlan
    """
    for file in (plan.pipeline, plan.environment):
        if file.kind == "spark":
            arrived = spark_file(file.name)
            if arrived not in _seen:
                _seen.add(arrived)
                with contextlib.suppress(OSError, EnvironmentUnpackError):
                    _share(file, arrived)


def _share(file: ShippedFile, arrived: Path) -> None:
    found = arrived.stat()
    if found.st_size < _WORTH_BYTES:
        return
    folder = private_folder(cache_folder() / "shipped")
    kept = folder / file.digest
    with held(folder / "lock", _WAIT_S):
        for old in folder.iterdir():
            # Of files alone that Spark has removed everywhere else.
            if old not in (kept, folder / "lock") and old.stat().st_nlink == 1:
                old.unlink()
        if not kept.exists():
            if file_digest(arrived) != file.digest:
                return
            os.link(arrived, kept)
        for path in (arrived, *_fetched(found.st_size)):
            if not path.samefile(kept) and filecmp.cmp(path, kept, shallow=False):
                # In one step: another executor may be reading it.
                with replacing(path) as beside:
                    os.link(kept, beside)


def _fetched(n_bytes: int) -> Iterator[Path]:
    """The executor's cache of fetched files, of which those of one size.

    Spark reads them again where another session has sent the same address; it bears that one has
    gone, and all the more that it is another name of the same bytes.
    """
    for name in os.environ.get("SPARK_LOCAL_DIRS", "").split(","):
        if name:
            for path in Path(name).parent.glob("spark-*/*_cache"):
                if path.is_file() and path.stat().st_size == n_bytes:
                    yield path
