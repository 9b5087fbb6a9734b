"""Pipelines in object stores and other file systems, by pyarrow's own clients, without Spark."""

import contextlib
import hashlib
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, Callable, Hashable, Iterator, Sequence, Tuple

from dai_spark.errors import OptionError, PipelineNotFoundError, first_line, shortened
from dai_spark.host.uri import without_password
from dai_spark.registry.checksum import sha256_of
from dai_spark.registry.model_cache import kept_by_digest, models_folder

__all__ = ["remote_file", "remote_state"]

# Hadoop's names of what pyarrow calls s3, gs and hdfs.
_WHEEL = re.compile(r"scoring_.*\.whl")
_SCHEMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


def remote_state(uri: str) -> Hashable:
    """What differs when the files at a URI are others.

    Parameters
    ----------
    uri : str

    Raises
    ------
    OptionError, PipelineNotFoundError
    """
    _, _, found = _listed(uri)
    return tuple(sorted((one.path, one.size, str(one.mtime)) for one in found))


def remote_file(uri: str, on_message: Callable[[str], None]) -> Path:
    """Copy the pipeline at a URI into this host's cache.

    Runs in a process that scores without Spark.  Credentials are what the store's own library
    finds: variables, files, the machine's role.

    Parameters
    ----------
    uri : str
        ``s3://``, ``gs://``, ``hdfs://``, ``abfs://``: a zip, a folder with one zip, or an
        unpacked export.
    on_message : callable
        Is told what is fetched.

    Raises
    ------
    OptionError
        It cannot be read, or pyarrow knows no such file system.
    PipelineNotFoundError
        There is no zip, or there are several.
    """
    from pyarrow import fs

    shown = without_password(uri)
    source, path, files = _listed(uri)
    member, size_bytes = _member(shown, path, files)
    on_message(f"fetching {shown} ({size_bytes / 1e6:,.1f} MB)")
    with tempfile.TemporaryDirectory(dir=models_folder(), prefix=".fetched-") as folder:
        aside = Path(folder) / PurePosixPath(member).name
        with _as_ours(shown):
            fs.copy_files(
                member,
                str(aside),
                source_filesystem=source,
                destination_filesystem=fs.LocalFileSystem(),
            )

        def read(kept: Path) -> Path:
            (found,) = kept.iterdir()
            return found

        return kept_by_digest(_digest_of(aside), lambda to: aside.replace(to / aside.name), read)


def _member(shown: str, path: str, files: Sequence[Any]) -> Tuple[str, int]:
    """What is copied of the files that are there, and its size."""
    if len(files) == 1 and files[0].path == path:
        return path, files[0].size or 0
    if any(_WHEEL.fullmatch(one.base_name) for one in files):
        return path, sum(one.size or 0 for one in files)
    zips = [one for one in files if one.path.endswith(".zip")]
    if len(zips) == 1:
        return zips[0].path, zips[0].size or 0
    told = shortened([one.base_name for one in zips]) if zips else "none"
    raise PipelineNotFoundError(
        f"{shown} must be an unpacked export, or a folder with one zip of an export; its zips are: "
        f"{told}."
    )


def _digest_of(path: Path) -> str:
    """Of a file its SHA-256, of a folder one of its files' names and digests."""
    if path.is_file():
        return sha256_of(path)
    files = sorted(one for one in path.rglob("*") if one.is_file())
    lines = [f"{sha256_of(one)}  {one.relative_to(path)}\n" for one in files]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _listed(uri: str) -> Tuple[Any, str, Sequence[Any]]:
    """The file system of a URI, the path in it, and the files there."""
    from pyarrow import fs

    shown = without_password(uri)
    scheme, colon, rest = uri.rstrip("/").partition(":")
    with _as_ours(shown):
        source, path = fs.FileSystem.from_uri(f"{_SCHEMES.get(scheme, scheme)}{colon}{rest}")
        there = source.get_file_info(path)
        if there.type == fs.FileType.File:
            return source, path, [there]
        if there.type == fs.FileType.NotFound:
            raise PipelineNotFoundError(f"There is no pipeline at {shown}.")
        below = source.get_file_info(fs.FileSelector(path, recursive=True))
    return source, path, [one for one in below if one.type == fs.FileType.File]


@contextlib.contextmanager
def _as_ours(shown: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except PipelineNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = without_password(first_line(error, 300))
        raise OptionError(f"The pipeline at {shown} cannot be copied ({said}).") from None
