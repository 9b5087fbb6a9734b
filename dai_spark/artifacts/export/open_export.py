"""A path to the files of the export that lies there."""

import contextlib
import os
import stat
import zipfile
from pathlib import Path
from typing import Callable, Union

from dai_spark.artifacts.export.export_files import ExportFiles
from dai_spark.artifacts.export.folder_files import FolderFiles
from dai_spark.artifacts.export.tar_files import TarFiles
from dai_spark.artifacts.export.zip_files import ZipFiles
from dai_spark.errors import NotAPipelineError, PipelineNotFoundError
from dai_spark.host.cache_folder import user_id

__all__ = ["open_export", "path_of"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TAR = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
# Of a tar that is not compressed, and where in it.
_USTAR, _USTAR_AT = b"ustar", 257
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "a pointer of Git LFS, and the file itself was not fetched",
}
_HTML = (b"<!doctype html", b"<html")
_UNPACK = "unpack it and give the folder, or export the pipeline again"


def path_of(given: Union[str, "os.PathLike[str]"]) -> Path:
    """The path that a caller gave, absolute, with a ``~`` at its begin followed.

    Raises
    ------
    PipelineNotFoundError
        ``~`` is given and this user has no home folder, or the working directory is gone.
    """
    try:
        return Path(given).expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise PipelineNotFoundError(
            f"The path {os.fspath(given)} leads nowhere on this host ({error}); give an absolute "
            "path."
        ) from None


def open_export(path: Path, is_kept: Callable[[str], bool]) -> ExportFiles:
    """Find out what lies at a path, by its first bytes and not by its name, and list its files.

    Parameters
    ----------
    path : Path
    is_kept : callable
        Whether a file of that name will be read; see `TarFiles`.

    Raises
    ------
    PipelineNotFoundError
        Nothing lies there.
    NotAPipelineError
        What lies there is no archive, is damaged, or cannot be read by this user.
    """
    try:
        found = path.stat()
    except PermissionError as error:
        raise NotAPipelineError(
            f"{path} cannot be read by user {user_id()} ({error.strerror}); let this user read "
            "it, and the folders above it."
        ) from error
    except (OSError, ValueError):
        raise PipelineNotFoundError(
            f"No scoring pipeline lies at {path}; give the path of the scorer.zip that "
            "Driverless AI exports as 'Python Scoring Pipeline'."
        ) from None
    if stat.S_ISDIR(found.st_mode):
        return FolderFiles(path)
    if not stat.S_ISREG(found.st_mode):
        raise NotAPipelineError(
            f"{path} is neither file nor folder; give the scorer.zip that Driverless AI exports."
        )
    begin = _begin(path)
    if begin.startswith(_TAR) or begin[_USTAR_AT:].startswith(_USTAR):
        return TarFiles(path, is_kept)
    # A zip may have anything before its first file.
    if not begin.startswith(_ZIP) and not zipfile.is_zipfile(path):
        _refuse(path, begin)
    return ZipFiles(path)


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_USTAR_AT + len(_USTAR))
    except OSError as error:
        raise NotAPipelineError(
            f"{path} cannot be read by user {user_id()} ({error.strerror or error}); let this "
            "user read it."
        ) from error


def _refuse(path: Path, begin: bytes) -> None:
    """Say what it is, where that is plain."""
    if not begin:
        raise NotAPipelineError(f"{path} is an empty file; copy it again.")
    if begin.lstrip()[:20].lower().startswith(_HTML):
        raise NotAPipelineError(
            f"{path} is a web page and no zip: the download was answered by a page (to log in, or "
            "of an error); download the pipeline again."
        )
    for magic, what in _OTHERS.items():
        if begin.startswith(magic):
            raise NotAPipelineError(f"{path} is {what}; {_UNPACK}.")
    with contextlib.suppress(UnicodeDecodeError):
        if begin.decode("ascii").isprintable():
            raise NotAPipelineError(f"{path} is a text and no zip; {_UNPACK}.")
