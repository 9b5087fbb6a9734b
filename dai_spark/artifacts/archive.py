"""A packed environment's archive as a stream of members, whichever way it is compressed."""

import contextlib
import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO, Iterator, Union, cast

import pyarrow as pa

from dai_spark.errors import EnvironmentUnpackError

__all__ = ["DAMAGE", "SMALL_BYTES", "open_archive"]

# Limit of what is read into memory: the manifest, and the extensions of a header, which tarfile
# reads whole whatever size they claim.  A manifest of a thousand packages has 30 kB.
SMALL_BYTES = 4 << 20

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# Measured on an environment of 600 MB: smaller costs Python's loop, and from a quarter of a
# megabyte on every read is memory that the system maps and clears afresh.
_BLOCK_BYTES = 1 << 16

# What the readers below raise on bytes that are damaged or cut off.  Arrow and gzip both use
# OSError for it, so a caller that writes to disk must look at `errno` first.
DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)


class _Member(tarfile.TarInfo):
    """A member whose header is refused where it would fill the memory."""

    @classmethod
    def frombuf(cls, buf: Union[bytes, bytearray], encoding: str, errors: str) -> "_Member":
        found = super().frombuf(buf, encoding, errors)
        if found.type in _EXTENSIONS and not 0 <= found.size <= SMALL_BYTES:
            raise EnvironmentUnpackError(
                f"The archive was refused: a header in it claims {found.size:,} bytes. Build it "
                "again with `dai-spark env build`."
            )
        return found


_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a packed archive for one pass from its first member to its last.

    The compression is told by the first bytes and not by the name: the file that is shipped to
    the executors has a digest for a name.

    Raises
    ------
    EnvironmentUnpackError
        The file is neither a gzip nor a zstd archive.  Damage further on is raised by tarfile
        and the decompressor while members are read: see `DAMAGE`.
    """
    with path.open("rb") as raw:
        magic = raw.read(4)
    with contextlib.ExitStack() as stack:
        stream: IO[bytes]
        if magic == _ZSTD:
            stream = stack.enter_context(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
        elif magic[:2] == _GZIP:
            stream = cast(IO[bytes], stack.enter_context(gzip.open(path, "rb")))
        else:
            raise EnvironmentUnpackError(
                f"{path} is not a packed environment: its first bytes are neither gzip nor zstd. "
                "Give the .tar.gz or .tar.zst that `dai-spark env build` wrote."
            )
        yield stack.enter_context(
            # A stream that is only read, which the types of some Pythons do not allow.
            tarfile.open(  # type: ignore[call-overload,unused-ignore]
                fileobj=stream, mode="r|", bufsize=_BLOCK_BYTES, tarinfo=_Member
            )
        )
