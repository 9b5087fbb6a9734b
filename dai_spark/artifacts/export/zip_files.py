"""The files of an export that is a zip, as Driverless AI writes it or as people pack it again."""

import contextlib
import stat
import struct
import zipfile
from pathlib import Path
from typing import IO, Dict, Iterator, List, Optional

from dai_spark.artifacts.export.export_files import ExportFiles, clean_name
from dai_spark.artifacts.export.links import followed
from dai_spark.errors import NotAPipelineError

__all__ = ["ZipFiles"]

_METHODS = {9: "Deflate64", 20: "Zstandard", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES"}
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED_FLAG = 0x1
_UTF8_FLAG = 0x800
_FAT_SYSTEM = 0


class ZipFiles(ExportFiles):
    """The files of a zip.

    Names are taken as unzip takes them, so that nothing lies outside of the export; backslashes
    are slashes where Windows wrote them.

    Parameters
    ----------
    path : Path

    Raises
    ------
    NotAPipelineError
        It is no zip, or its list of files is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._members: Dict[str, zipfile.ZipInfo] = {}
        refused: Dict[str, str] = {}
        links: Dict[str, str] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                found = archive.infolist()
                for info, name in zip(found, _names(found)):
                    if not name or info.is_dir() or name.endswith("/"):
                        continue
                    if name in self._members and _differ(self._members[name], info):
                        refused[name] = (
                            "is in it twice, with different content, so nobody knows which is "
                            "meant; pack the export again"
                        )
                    self._members[name] = info
                    if stat.S_ISLNK(info.external_attr >> 16):
                        links[name] = _target(archive, info)
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            ValueError,
            OverflowError,
            EOFError,
            struct.error,
            OSError,
        ) as error:
            raise NotAPipelineError(
                f"{path} is not a readable zip ({error}); export the pipeline again or copy "
                "it again in binary mode."
            ) from error
        own = {name for name in self._members if name not in links}
        same, dangling = followed(own, links)
        for name, other in same.items():
            self._members[name] = self._members[other]
        for name, info in self._members.items():
            why = _why_unreadable(info)
            if why is not None:
                refused.setdefault(name, why)
        refused.update(dangling)
        sizes = {name: info.file_size for name, info in self._members.items()}
        super().__init__(path, sizes, refused)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(self.path) as archive, archive.open(self._members[name]) as stream:
            yield stream


def _names(found: List[zipfile.ZipInfo]) -> List[str]:
    names = [_name(info) for info in found]
    # What Windows' own packers and .NET write.  A backslash is a character like others where the
    # archive has slashes too.
    without_slash = all("/" not in name for name in names)
    return [
        clean_name(name.replace("\\", "/"))
        if "/" not in name and (without_slash or info.create_system == _FAT_SYSTEM)
        else clean_name(name)
        for info, name in zip(found, names)
    ]


def _name(info: zipfile.ZipInfo) -> str:
    if not info.flag_bits & _UTF8_FLAG:
        # Packers that write UTF-8 and do not say so; zipfile took it for the code page of DOS.
        with contextlib.suppress(UnicodeError):
            return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _differ(one: zipfile.ZipInfo, other: zipfile.ZipInfo) -> bool:
    return (one.CRC, one.file_size) != (other.CRC, other.file_size)


def _target(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    # No longer than a path can be.
    with archive.open(info) as stream:
        return stream.read(4096).decode("utf-8", "replace")


def _why_unreadable(info: zipfile.ZipInfo) -> Optional[str]:
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "is encrypted; pack the export without a password, or unpack it and give the folder"
    if info.compress_type not in _READABLE:
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        return (
            f"is compressed by {method}, which Python cannot read; unpack it and give the folder, "
            "or pack it by the usual method (Deflate)"
        )
    return None
