"""Writes a prefix as an archive: the same bytes for the same files."""

import contextlib
import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import IO, Callable, Iterator, List, cast

import pyarrow as pa

from dai_spark.artifacts.manifest import MANIFEST_NAME, EnvironmentManifest
from dai_spark.errors import EnvironmentBuildError
from dai_spark.host.atomic_file import replacing

__all__ = ["compression_of", "list_files", "write_archive"]

_GZIP_LEVEL = 6
# One time for all members; 1980 is the first that a zip could hold as well.
_TIME_S = 315532800
_SAY_EVERY_BYTES = 200_000_000


def compression_of(output: Path) -> str:
    """Tell the compression of an archive by its name.

    Parameters
    ----------
    output : Path
        The archive to write.

    Returns
    -------
    str
        ``"gzip"`` or ``"zstd"``.

    Raises
    ------
    EnvironmentBuildError
        The name ends otherwise.
    """
    if output.name.endswith((".tar.gz", ".tgz")):
        return "gzip"
    if output.name.endswith(".tar.zst"):
        return "zstd"
    raise EnvironmentBuildError(
        f"{output.name} should end in .tar.gz or .tar.zst (unpacked three times as fast)."
    )


def list_files(root: Path) -> List[Path]:
    """List the files and links of a prefix.

    Links that lead nowhere are left out: unpacking refuses them.

    Parameters
    ----------
    root : Path
        The prefix.

    Returns
    -------
    list of Path
        Sorted by their names in the archive.
    """
    found = [
        Path(parent) / name
        for parent, folders, names in os.walk(root)
        for name in [*names, *(f for f in folders if (Path(parent) / f).is_symlink())]
    ]
    found = [path for path in found if path.exists()]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def write_archive(
    root: Path, manifest: EnvironmentManifest, output: Path, on_message: Callable[[str], None]
) -> None:
    """Write the files below `root`, the manifest first, as `output`.

    Written beside and renamed, so that `output` is never half an archive.  Owner, group and
    times are fixed, the order is that of the names.

    Parameters
    ----------
    root : Path
        The prefix.
    manifest : EnvironmentManifest
        What it holds.
    output : Path
        The archive; its name tells the compression.
    on_message : callable
        Gets a sentence at every 200 MB.

    Raises
    ------
    EnvironmentBuildError
        The name of `output` ends in none of the known ways.
    """
    on_message(f"packing {manifest.unpacked_bytes / 1e6:,.0f} MB into {output.name}")
    compression = compression_of(output)
    with replacing(output) as beside, _tar_writer(beside, compression) as archive:
        text = manifest.to_json().encode("utf-8")
        head = tarfile.TarInfo(MANIFEST_NAME)
        head.size, head.mtime, head.mode = len(text), _TIME_S, 0o644
        archive.addfile(head, io.BytesIO(text))
        packed_bytes = told_bytes = 0
        for path in list_files(root):
            packed_bytes += _add_file(archive, path, path.relative_to(root).as_posix())
            if packed_bytes - told_bytes >= _SAY_EVERY_BYTES:
                told_bytes = packed_bytes
                on_message(f"{packed_bytes / manifest.unpacked_bytes:.0%} packed")


def _add_file(archive: tarfile.TarFile, path: Path, name: str) -> int:
    """Add a file or a link with fixed owner, rights and time; return its size."""
    info = archive.gettarinfo(str(path), name)
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = _TIME_S
    if info.islnk():
        # gettarinfo notes a second name of one file; we pack files, not inodes.
        info.type, info.size = tarfile.REGTYPE, path.stat().st_size
    info.mode = 0o755 if info.issym() or info.mode & 0o111 else 0o644
    if info.isreg():
        with path.open("rb") as stream:
            archive.addfile(info, stream)
    else:
        archive.addfile(info)
    return info.size


@contextlib.contextmanager
def _tar_writer(path: Path, compression: str) -> Iterator[tarfile.TarFile]:
    with contextlib.ExitStack() as stack:
        stream: IO[bytes]
        if compression == "zstd":
            stream = stack.enter_context(pa.CompressedOutputStream(str(path), "zstd"))
        else:
            raw = stack.enter_context(path.open("wb"))
            # Name and time in gzip's own header would differ from build to build.
            stream = cast(
                IO[bytes],
                stack.enter_context(gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=raw, mtime=0)),
            )
        yield stack.enter_context(
            # A stream that is only written, which the types of some Pythons do not allow.
            tarfile.open(fileobj=stream, mode="w|", bufsize=1 << 20, format=tarfile.GNU_FORMAT)  # type: ignore[call-overload,unused-ignore]
        )
