"""Unpacks a packed environment into a fresh folder, and refuses what a sound one never holds.

Runs in Spark's Python worker (and on the driver, for `dai-spark env check`).  An archive is
input from outside, so tarfile's own extraction is not used: its safe filters are absent from
several releases of Python 3.9 to 3.11 that Spark still runs on.  The rules:

* a name is relative, without ``..``, and no parent of it is a link, so that no byte is ever
  written through a link;
* a member is a file, a folder, a symbolic link or a hard link to a file unpacked before it;
* a symbolic link is relative, and once all is unpacked it leads to something inside;
* nothing exists beforehand, nothing is written twice;
* what is written ends at the size and the number of files that the manifest states;
* files belong to this process's user alone: 0600, or 0700 where the archive says executable.

The folder is the caller's to remove when this raises.
"""

import errno
import os
import shutil
import tarfile
from pathlib import Path
from typing import IO, Callable, Optional, Set, Union

from dai_spark.artifacts.archive import DAMAGE, SMALL_BYTES, open_archive
from dai_spark.artifacts.file_threads import FileThreads, new_file
from dai_spark.artifacts.manifest import MANIFEST_NAME, EnvironmentManifest
from dai_spark.errors import EnvironmentUnpackError

__all__ = ["extract_archive"]

_COPY_BYTES = 1 << 18
# Larger files are written as they are read, so that no header's claim fills the memory.
_THREADED_BYTES = 8 << 20
_SAY_EVERY_BYTES = 200_000_000
# Folders are not in the manifest's number of files; environments have some for every ten files.
_MORE_FOLDERS = 1000
# Environments have some fifteen.
_MOST_FOLDERS = 100


def extract_archive(
    archive: Path, to: Path, on_message: Optional[Callable[[str], None]] = None
) -> None:
    """Unpack a ``.tar.gz`` or ``.tar.zst`` in one pass, told apart by its first bytes.

    Parameters
    ----------
    archive : Path
        The packed environment, under any name.
    to : Path
        Folder to unpack into: made here (0700) if it does not exist, else it must be empty.
    on_message : callable, optional
        Gets a sentence at the start and after every 200 MB.

    Raises
    ------
    EnvironmentUnpackError
        The archive is damaged or cut off, holds an unsafe member, or does not fit on the disk.
    """
    to = Path(to)
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(to.iterdir()):
        raise EnvironmentUnpackError(
            f"The folder {to} is not empty; an environment is unpacked into a fresh one."
        )
    one = _Extraction(archive, to, on_message)
    try:
        with FileThreads() as one.threads:
            with open_archive(archive) as tar:
                for member in tar:
                    one.take(tar, member)
            one.threads.settle()
        one.finish()
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnvironmentUnpackError(one.no_room()) from error
        if isinstance(error, OSError) and error.filename is not None:
            raise EnvironmentUnpackError(
                f"{archive} could not be unpacked into {to}: {error.strerror}: {error.filename}."
            ) from error
        raise EnvironmentUnpackError(
            f"{archive} is damaged or was cut off while copied ({error}); copy or build it again."
        ) from error


class _Extraction:
    """One archive on its way into one folder."""

    def __init__(
        self, archive: Path, to: Path, on_message: Optional[Callable[[str], None]]
    ) -> None:
        self.archive = archive
        self.to = to
        self.on_message = on_message
        self.threads: FileThreads
        self.manifest: Optional[EnvironmentManifest] = None
        self.folders: Set[str] = {""}
        self.files: Set[str] = set()
        self.links: Set[str] = set()
        self.n_bytes = 0
        self.said_bytes = 0

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = self._safe_name(member)
        if member.isdir():
            self._folder(name)
            return
        parent, _, base = name.rpartition("/")
        if not base:
            raise self._unsafe(member, "has no name")
        if self.manifest and len(self.files) + len(self.links) > self.manifest.n_files:
            raise self._too_much(f"more than {self.manifest.n_files:,} files")
        self._folder(parent)
        if name in self.files or name in self.links or name in self.folders:
            raise self._unsafe(member, "is in it twice")
        if member.isreg() and not member.issparse():
            self._file(tar, member, name)
        elif member.issym():
            if Path(member.linkname).is_absolute():
                raise self._unsafe(member, f"is a link to {member.linkname}")
            (self.to / name).symlink_to(member.linkname)
            self.links.add(name)
        elif member.islnk():
            target = os.path.normpath(member.linkname)
            if target not in self.files:
                raise self._unsafe(member, f"is a hard link to {member.linkname}")
            self.threads.settle()
            os.link(self.to / target, self.to / name, follow_symlinks=False)
            self.files.add(name)
        else:
            raise self._unsafe(member, "is neither file, folder nor link")

    def finish(self) -> None:
        """Look at the whole: do links stay inside, and is everything here."""
        root = self.to.resolve()
        for name in sorted(self.links):
            leads_to = _destination(self.to / name)
            if leads_to is None or (leads_to != root and root not in leads_to.parents):
                raise EnvironmentUnpackError(
                    f"{self.archive} was refused: its link {name} leads out of it, or nowhere."
                )
        # A tar that ends between two members reads as a shorter tar, with no error.
        n_files = len(self.files) + len(self.links)
        if self.manifest is not None and n_files != self.manifest.n_files + 1:
            raise EnvironmentUnpackError(
                f"{self.archive} holds {n_files - 1} files where its manifest states "
                f"{self.manifest.n_files}: it was cut off while copied, or changed. "
                "Copy or build it again."
            )

    def no_room(self) -> str:
        needed = self.manifest.unpacked_bytes if self.manifest else self.n_bytes
        free = shutil.disk_usage(self.to).free
        return (
            f"The environment {self.archive} needs {needed:,} bytes in {self.to}, where "
            f"{free:,} are free; make room, or set DAI_SPARK_CACHE to a folder on a larger disk."
        )

    def _safe_name(self, member: tarfile.TarInfo) -> str:
        name = member.name
        if name.startswith("/") or "\0" in name or "\\" in name:
            raise self._unsafe(member, "has an absolute or unusual name")
        if ".." in name.split("/"):
            raise self._unsafe(member, "leads out of the archive")
        name = os.path.normpath(name)
        if name.count("/") > _MOST_FOLDERS:
            # What removes and measures folders goes into one by calling itself.
            raise self._unsafe(member, f"lies in more than {_MOST_FOLDERS} folders")
        return "" if name == "." else name

    def _folder(self, name: str) -> None:
        missing = []
        while name not in self.folders:
            missing.append(name)
            name = name.rpartition("/")[0]
        for one in reversed(missing):
            if one in self.links or one in self.files:
                raise EnvironmentUnpackError(
                    f"{self.archive} was refused: it would write through {one}, which is no folder."
                )
            if self.manifest and len(self.folders) > self.manifest.n_files + _MORE_FOLDERS:
                raise self._too_much(f"more than {len(self.folders):,} folders")
            (self.to / one).mkdir(mode=0o700)
            self.folders.add(one)

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        source = tar.extractfile(member)
        assert source is not None
        is_manifest = name == MANIFEST_NAME and not self.files and not self.links
        mode = 0o700 if member.mode & 0o111 else 0o600
        content = self._limited(source, is_manifest)
        if member.size <= _THREADED_BYTES and not is_manifest:
            self.threads.add(self.to / name, mode, content.read(member.size))
        else:
            with os.fdopen(new_file(self.to / name, mode), "wb") as target:
                shutil.copyfileobj(content, target, _COPY_BYTES)
        self.files.add(name)
        if not is_manifest:
            self.n_bytes += member.size
        if is_manifest:
            self._plan(self.to / name)
        if self.on_message and self.n_bytes - self.said_bytes >= _SAY_EVERY_BYTES:
            self.said_bytes = self.n_bytes
            self.on_message(f"{self.n_bytes / 1e6:,.0f} MB unpacked")

    def _limited(self, source: IO[bytes], is_manifest: bool) -> "Union[IO[bytes], _Limited]":
        if is_manifest:
            return _Limited(
                source, SMALL_BYTES, self._too_much(f"a manifest of {SMALL_BYTES:,} bytes")
            )
        if self.manifest is None:
            return source
        stated = self.manifest.unpacked_bytes
        return _Limited(
            source, stated - self.n_bytes, self._too_much(f"more than {stated:,} bytes")
        )

    def _too_much(self, what: str) -> EnvironmentUnpackError:
        return EnvironmentUnpackError(
            f"{self.archive} was refused: it unpacks to {what}, which is more than its manifest "
            "states. It was changed, or packed by something else; build it again with "
            "`dai-spark env build`."
        )

    def _plan(self, manifest: Path) -> None:
        try:
            self.manifest = EnvironmentManifest.from_json(manifest.read_bytes())
        except ValueError as error:
            raise EnvironmentUnpackError(
                f"The manifest of {self.archive} cannot be read: {error}."
            ) from error
        if self.manifest.unpacked_bytes > shutil.disk_usage(self.to).free:
            raise EnvironmentUnpackError(self.no_room())
        if self.on_message:
            self.on_message(
                f"unpacking {self.archive.name} "
                f"({self.manifest.unpacked_bytes / 1e6:,.0f} MB, {self.manifest.n_files} files)"
            )

    def _unsafe(self, member: tarfile.TarInfo, why: str) -> EnvironmentUnpackError:
        return EnvironmentUnpackError(
            f"{self.archive} was refused: its member {member.name[:300]!r} {why}. "
            "Build it again with `dai-spark env build`."
        )


class _Limited:
    """A member that raises where it goes on for too long, whatever its header claims."""

    def __init__(self, source: IO[bytes], limit_bytes: int, error: EnvironmentUnpackError) -> None:
        self._source = source
        self._left_bytes = limit_bytes
        self._error = error

    def read(self, n_bytes: int = -1, /) -> bytes:
        block = self._source.read(n_bytes)
        self._left_bytes -= len(block)
        if self._left_bytes < 0:
            raise self._error
        return block


def _destination(link: Path) -> Optional[Path]:
    """Where a link leads, through other links; None where that is nothing, or a circle."""
    try:
        return link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
