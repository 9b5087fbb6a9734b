"""The files of an export that somebody has packed again as a tar."""

import bz2
import contextlib
import gzip
import lzma
import posixpath
import shutil
import tarfile
import tempfile
import weakref
import zlib
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, Set, Tuple

from dai_spark.artifacts.export.export_files import ExportFiles, clean_name
from dai_spark.artifacts.export.links import followed
from dai_spark.artifacts.manifest import MANIFEST_NAME
from dai_spark.errors import NotAPipelineError

__all__ = ["TarFiles"]

_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OSError)
_ZSTD = b"\x28\xb5\x2f\xfd"
_COMPRESSED: Dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_USTAR, _USTAR_AT = b"ustar", 257
# Two empty blocks end a tar.
_END_BYTES = 1024
_BLOCK_BYTES = 1 << 18


class TarFiles(ExportFiles):
    """The files of a ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.bz2``, ``.tar.xz`` or ``.tar.zst``.

    A compressed tar can only be read from its begin to its end, which takes some ten seconds for a
    gigabyte.  So one pass keeps what an export is read for in a temporary file, which has no name;
    the wheels of its dependencies are not kept, and each costs another pass.

    Parameters
    ----------
    path : Path
    is_kept : callable
        Whether a file of that name is kept.

    Raises
    ------
    NotAPipelineError
        It is damaged or cut off, or a packed environment.
    """

    def __init__(self, path: Path, is_kept: Callable[[str], bool]) -> None:
        self._kept: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this is
        weakref.finalize(self, self._kept.close)
        self._places: Dict[str, Tuple[int, int]] = {}
        self._same: Dict[str, str] = {}
        sizes: Dict[str, int] = {}
        refused: Dict[str, str] = {}
        links: Dict[str, str] = {}
        try:
            with _tar(path) as (archive, stream):
                for number, member in enumerate(archive):
                    if number == 0 and member.name == MANIFEST_NAME:
                        raise NotAPipelineError(
                            f"{path} is a packed environment and no pipeline; give it as env= "
                            "(--env), and the scorer.zip of the experiment as the pipeline."
                        )
                    self._take(archive, member, is_kept, sizes, refused, links)
                while stream.read(_BLOCK_BYTES):
                    pass
        except NotAPipelineError:
            raise
        except _DAMAGE as error:
            raise NotAPipelineError(
                f"{path} cannot be read as a tar ({error}); it is damaged or was cut off while "
                "copied. Copy it again, or export the pipeline again."
            ) from error
        own: Set[str] = set(sizes)
        self._same, dangling = followed(own, links)
        sizes.update({name: sizes[other] for name, other in self._same.items()})
        refused.update(dangling)
        super().__init__(path, sizes, refused)

    def _take(
        self,
        archive: tarfile.TarFile,
        member: tarfile.TarInfo,
        is_kept: Callable[[str], bool],
        sizes: Dict[str, int],
        refused: Dict[str, str],
        links: Dict[str, str],
    ) -> None:
        name = clean_name(member.name)
        if not name or member.isdir():
            return
        if member.issym():
            links[name] = member.linkname
        elif member.islnk():
            # Named from the top of the archive, where a symbolic link is named from its folder.
            links[name] = posixpath.relpath(clean_name(member.linkname), posixpath.dirname(name))
        elif member.isreg():
            sizes[name] = member.size
            links.pop(name, None)
            if is_kept(name):
                source = archive.extractfile(member)
                assert source is not None
                self._places[name] = (self._kept.seek(0, 2), member.size)
                shutil.copyfileobj(source, self._kept, _BLOCK_BYTES)
        else:
            refused[name] = "is neither file, folder nor link; pack the export without it"

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        name = self._same.get(name, name)
        place = self._places.get(name)
        if place is not None:
            with tempfile.TemporaryFile() as copy:
                self._kept.seek(place[0])
                _copy(self._kept, copy, place[1])
                copy.seek(0)
                yield copy
            return
        with _tar(self.path) as (archive, _):
            for member in archive:
                if clean_name(member.name) == name and member.isreg():
                    source = archive.extractfile(member)
                    assert source is not None
                    yield source
                    return
        raise NotAPipelineError(f"{self.path} was replaced while it was read; try again.")


def _copy(source: IO[bytes], to: IO[bytes], n_bytes: int) -> None:
    while n_bytes > 0:
        block = source.read(min(n_bytes, _BLOCK_BYTES))
        if not block:
            return
        to.write(block)
        n_bytes -= len(block)


@contextlib.contextmanager
def _tar(path: Path) -> Iterator[Tuple[tarfile.TarFile, IO[bytes]]]:
    """Open a tar for one pass; with it the stream of its bytes, which ends with a checksum.

    tarfile's own streams stop where the tar ends, and look at no checksum behind it.
    """
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        magic = raw.read(_USTAR_AT + len(_USTAR))
        if magic[_USTAR_AT:] == _USTAR:
            # A tar that was cut off between two files reads as a shorter one, with no error.
            raw.seek(-min(_END_BYTES, path.stat().st_size), 2)
            if any(raw.read()):
                raise EOFError("it has no end")
        raw.seek(0)
        stream: Any = raw
        if magic.startswith(_ZSTD):
            import pyarrow as pa

            stream = stack.enter_context(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
        for begin, opened in _COMPRESSED.items():
            if magic.startswith(begin):
                stream = stack.enter_context(opened(raw))
        tar: Any = tarfile.open  # whose stubs know no stream that is not a file
        yield stack.enter_context(tar(fileobj=stream, mode="r|", bufsize=_BLOCK_BYTES)), stream
