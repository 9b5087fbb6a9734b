"""ExportFiles: the files of an export by name, whatever it is packed in."""

import contextlib
import lzma
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Dict, Iterator, Mapping, TypeVar

from dai_spark.errors import NotAPipelineError, UnreadableFileError

__all__ = ["ExportFiles", "below", "clean_name"]

_Value = TypeVar("_Value")
# What readers of zips and tars raise on bytes that are damaged, cut off, encrypted, or packed in a
# way that they do not know.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class ExportFiles(ABC):
    """The files of an export; opened once, read in any order.

    Attributes
    ----------
    path : Path
        What lies on this host.
    sizes_bytes : mapping of str to int
        Size of each file, by its name relative to the top of the export.
    refused : mapping of str to str
        Names that are there and cannot be read: why, and what to do.
    """

    def __init__(
        self, path: Path, sizes_bytes: Mapping[str, int], refused: Mapping[str, str]
    ) -> None:
        self.path = path
        self.sizes_bytes: Dict[str, int] = {
            name: size for name, size in sizes_bytes.items() if name not in refused
        }
        self.refused: Dict[str, str] = dict(refused)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open one file for reading.

        Raises
        ------
        UnreadableFileError
            It is refused, or damaged; also while it is read, within the context.
        """
        if name in self.refused:
            raise UnreadableFileError(f"{self.path}: its file {name!r} {self.refused[name]}.")
        try:
            with self._open(name) as stream:
                yield stream
        except NotAPipelineError:
            raise
        except _UNREADABLE as error:
            raise UnreadableFileError(
                f"{self.path}: its file {name!r} cannot be read ({error}); it is damaged, or was "
                "cut off while copied. Copy or export it again."
            ) from error

    def read(self, name: str, most_bytes: int = -1) -> bytes:
        """The bytes of one file, at most so many.

        Raises
        ------
        UnreadableFileError
            See `open`; or it has more bytes.
        """
        with self.open(name) as stream:
            found = stream.read(most_bytes + 1 if most_bytes >= 0 else -1)
        if 0 <= most_bytes < len(found):
            raise UnreadableFileError(
                f"{self.path}: its file {name!r} has more than {most_bytes / 1e6:,.0f} MB, which "
                "is no file of that name as Driverless AI writes it."
            )
        return found

    @abstractmethod
    def _open(self, name: str) -> "contextlib.AbstractContextManager[IO[bytes]]":
        """Open a file that is there."""


def clean_name(name: str) -> str:
    """A name in an archive as unzip takes it: relative, without empty parts, ``.`` and ``..``."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def below(root: str, names: Mapping[str, _Value]) -> Dict[str, _Value]:
    """What is known of the files below a folder, by their names relative to it."""
    return {name[len(root) :]: value for name, value in names.items() if name.startswith(root)}
