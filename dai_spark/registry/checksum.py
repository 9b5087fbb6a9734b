"""Checksums of pipelines: a file is opened only if it has the SHA-256 that was named for it."""

import hashlib
import os
import re
from pathlib import Path
from typing import Tuple

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import ChecksumError, OptionError, PipelineNotFoundError

__all__ = ["checked_sha256", "opened_as_named", "sha256_of"]

_BLOCK_BYTES = 1 << 20
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


def checked_sha256(text: str, what: str) -> str:
    """A SHA-256 as `sha256sum` prints it, or with ``sha256:`` before it.

    Parameters
    ----------
    text : str
    what : str
        Where it was given, for the error.

    Raises
    ------
    OptionError
        It is none.
    """
    found = _SHA256.fullmatch(text.strip())
    if found is None:
        raise OptionError(
            f"{what} {text[:100]!r} is no SHA-256: 64 hexadecimal digits, as sha256sum prints them."
        )
    return found[1].lower()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes as they are now; what was read before is not believed.

    Parameters
    ----------
    path : Path
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def opened_as_named(path: Path, sha256: str, shown: str) -> ScoringPipeline:
    """Open an export whose zip has a SHA-256, and read all of it that is ever needed.

    What scores is the slim copy, which lies in this user's cache; so who replaces the file behind
    the check changes nothing, or is found out.

    Parameters
    ----------
    path : Path
    sha256 : str
        In hexadecimal.
    shown : str
        What an error calls the file.

    Raises
    ------
    ChecksumError
        The file is another one, or changes while it is read.
    OptionError
        It is a folder.
    PipelineNotFoundError
    """
    if path.is_dir():
        raise OptionError(
            f"{shown} is a folder, and a SHA-256 is one of a file; give the zip that it came from."
        )
    try:
        before = _stamp(path)
        found = sha256_of(path)
    except OSError as error:
        raise PipelineNotFoundError(
            f"The pipeline {shown} cannot be read ({error.strerror or error})."
        ) from None
    if found != sha256:
        raise ChecksumError(
            f"{shown} is not the pipeline that was named: its SHA-256 is {found}, and {sha256} is "
            "wanted; it was altered, or is another version."
        )
    pipeline = ScoringPipeline(path)
    # Both are kept: nothing is read of the file any more.
    _ = pipeline.notes, pipeline.slim_path
    if _stamp(path) != before:
        raise ChecksumError(f"{shown} was replaced while it was read; try again.")
    return pipeline


def _stamp(path: Path) -> Tuple[int, ...]:
    found = os.stat(path)  # noqa: PTH116 - as fields of one reading
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
