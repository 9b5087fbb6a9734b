"""Files by URI: read, fetched and written with what the session's own tables go through."""

import contextlib
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any, Callable, Union

from dai_spark.driver.filesystem.file_errors import as_ours
from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.filesystem.row_file import RowFile
from dai_spark.driver.progress.messages import log_message, waiting
from dai_spark.driver.session import is_connect
from dai_spark.errors import OptionError, ShippingError
from dai_spark.host.atomic_file import beside, replacing
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.uri import is_uri, local_path, without_password

__all__ = ["fetch", "read_bytes", "write_text"]

# Licences, configurations: what comes through the driver's memory at once.
_SMALL_BYTES = 64 << 20
_UNUSED_S = 24 * 3600.0


def read_bytes(spark: Any, uri: str) -> bytes:
    """Read a small file (a licence, a configuration) into the driver's memory.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    uri : str
        Any URI that Spark's file systems read, or a path of this host.

    Raises
    ------
    OptionError
        No file system of this Spark knows the URI's scheme.
    ShippingError
        There is no such file, it cannot be read, or it has more than 64 MB.
    """
    with as_ours(uri, "read", spark):
        if not is_uri(uri):
            path = local_path(uri)
            _check_small(without_password(uri), path.stat().st_size)
            return path.read_bytes()
        file = _file(spark, uri)
        _check_small(without_password(uri), file.look()[0])
        return file.read()


def fetch(spark: Any, uri: str, on_message: Callable[[str], None] = log_message) -> Path:
    """Bring a file of any size to this host, once, and return its path.

    Runs on the driver.  The file lies in the cache folder by its URI, length and time of change,
    so one that has been replaced is fetched again; it is complete or not there.  Copies that
    nobody has asked for in a day go when another version of the same URI comes.

    Parameters
    ----------
    spark : SparkSession
        Classic: it is streamed to the disk.  Connect: read by the server as one row, so at most
        2 GB, for which the server needs some three times its size of memory.
    uri : str
        A path or a ``file:`` URI of this host is used in place.
    on_message : callable
        Is told what is being fetched, and every ten seconds how far it is.

    Raises
    ------
    OptionError
        No file system of this Spark knows the URI's scheme.
    ShippingError
        There is no such file, it cannot be read, or it changed meanwhile.
    """
    if not is_uri(uri):
        return local_path(uri)
    shown = without_password(uri)
    with as_ours(uri, "read", spark):
        file = _file(spark, uri)
        n_bytes, changed_ms = file.look()
    place = hashlib.sha256(uri.encode("utf-8")).hexdigest()[:32]
    versions = private_folder(private_folder(cache_folder() / "fetched") / place)
    version = versions / f"{n_bytes}-{changed_ms}"
    # Its name is kept, since its ending says what it is.
    found = version / uri.rstrip("/").rpartition("/")[2]
    if found.is_file() and found.stat().st_size == n_bytes:
        os.utime(version)
        return found
    _forget_old(versions)
    aside = private_folder(beside(version)) / found.name

    def how_far() -> str:
        with contextlib.suppress(OSError):
            return f", {aside.stat().st_size / 1e6:,.0f} of {n_bytes / 1e6:,.0f} MB"
        return ""

    try:
        _check_room(shown, aside.parent, n_bytes)
        what = f"fetching {shown} ({n_bytes / 1e6:,.1f} MB)"
        with waiting(on_message, what, how_far), as_ours(uri, "fetch", spark):
            file.copy_to(aside)
            now = file.look()
        if now != (n_bytes, changed_ms) or aside.stat().st_size != n_bytes:
            raise ShippingError(
                f"{shown} was replaced while it was being fetched; run again when it is complete."
            )
        aside.chmod(0o600)
        aside.replace(private_folder(version) / found.name)
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
    return found


def write_text(spark: Any, uri: str, text: str) -> None:
    """Write a small file (a report): whole, or not at all; folders above it are made.

    Parameters
    ----------
    spark : SparkSession
    uri : str
        A path of this host, or on classic Spark any URI that its file systems write.
    text : str
        Written as UTF-8, over whatever is there.

    Raises
    ------
    OptionError
        A URI over Spark Connect, or one that no file system of this Spark knows.
    ShippingError
        It cannot be written.
    """
    content, shown = text.encode("utf-8"), without_password(uri)
    with as_ours(uri, "write", spark):
        if not is_uri(uri):
            path = local_path(uri)
            path.parent.mkdir(parents=True, exist_ok=True)
            # As readable as whatever this process writes: a report is no secret.
            with replacing(path) as aside:
                aside.write_bytes(content)
        elif is_connect(spark):
            raise OptionError(
                f"{shown} cannot be written over Spark Connect, which has no file systems at hand; "
                "give a path of this machine."
            )
        else:
            HadoopFile(spark, uri).write(content)


def _file(spark: Any, uri: str) -> Union[HadoopFile, RowFile]:
    return RowFile(spark, uri) if is_connect(spark) else HadoopFile(spark, uri)


def _check_small(shown: str, n_bytes: int) -> None:
    if n_bytes > _SMALL_BYTES:
        raise ShippingError(
            f"{shown} has {n_bytes / 1e6:,.0f} MB, where a small file is expected; is it the right "
            "one?"
        )


def _check_room(shown: str, folder: Path, n_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < n_bytes:
        raise ShippingError(
            f"{shown} has {n_bytes / 1e6:,.0f} MB, and {cache_folder()} has "
            f"{free_bytes / 1e6:,.0f} MB free; set DAI_SPARK_CACHE to a folder with more room."
        )


def _forget_old(versions: Path) -> None:
    """Take away what nobody has asked for in a day, and what a killed driver left half fetched."""
    for path in versions.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _UNUSED_S:
                shutil.rmtree(path)
