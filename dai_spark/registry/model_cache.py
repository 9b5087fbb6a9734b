"""What of logged models lies on this host: whole files, by the digest of what they hold."""

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Callable, TypeVar

from dai_spark.errors import DaiSparkError
from dai_spark.host.atomic_file import beside
from dai_spark.host.cache_folder import cache_folder, private_folder

__all__ = ["kept_by_digest", "models_folder"]

_UNUSED_S = 7 * 24 * 3600.0

Found = TypeVar("Found")


def models_folder() -> Path:
    """The folder of this user's cache where files of models lie."""
    return private_folder(cache_folder() / "models")


def kept_by_digest(
    digest: str, download: Callable[[Path], object], read: Callable[[Path], Found]
) -> Found:
    """Read what has a digest from this host's cache, downloaded where it is not there.

    Runs on the driver, or in a process that scores without Spark; by several processes at once.
    What nobody has asked for in a week goes when something else is downloaded.

    Parameters
    ----------
    digest : str
        Names the content, and so the folder.
    download : callable
        Fills a folder of its own.
    read : callable
        Reads a folder, and raises an error of ours where the content has another digest.

    Returns
    -------
    object
        What `read` returned; it lies in the cache.
    """
    models = models_folder()
    folder = models / digest
    if folder.exists():
        # Whatever is wrong with it here, the store has it whole.
        with contextlib.suppress(DaiSparkError):
            found = read(folder)
            os.utime(folder)
            return found
    _forget_old(models)
    aside = private_folder(beside(folder))
    try:
        download(aside)
        read(aside)
        _remove(folder)
        # Another process may have brought the same content meanwhile.
        with contextlib.suppress(OSError):
            aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return read(folder)


def _remove(folder: Path) -> None:
    """Take a damaged folder away at once, so that nobody reads a part of it."""
    gone = beside(folder)
    with contextlib.suppress(FileNotFoundError):
        folder.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _forget_old(models: Path) -> None:
    for path in models.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _UNUSED_S:
                shutil.rmtree(path)
