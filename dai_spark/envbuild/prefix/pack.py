"""Writes a prefix as an archive: the same bytes for the same files."""

import contextlib
import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import IO, Callable, Iterator, List, cast

import pyarrow as pa

from dai_spark.artifacts.environment import MANIFEST_NAME, EnvironmentManifest
from dai_spark.errors import EnvironmentBuildError

__all__ = ["compression_of", "list_files", "write_archive"]

_GZIP_LEVEL = 6
# One time for all members; 1980 is the first that a zip could hold as well.
_TIME_S = 315532800
_SAY_EVERY_BYTES = 200_000_000


def compression_of(output: Path) -> str:
    """Return ``"gzip"`` or ``"zstd"`` by the name of the archive to write.

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
    """Return files and links below `root`, sorted by their names in the archive.

    Links that lead nowhere are left out: unpacking refuses them.
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
    """
    on_message(f"packing {manifest.unpacked_bytes / 1e6:,.0f} MB into {output.name}")
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with _writer(aside, compression_of(output)) as archive:
            text = manifest.to_json().encode("utf-8")
            head = tarfile.TarInfo(MANIFEST_NAME)
            head.size, head.mtime, head.mode = len(text), _TIME_S, 0o644
            archive.addfile(head, io.BytesIO(text))
            packed = said = 0
            for path in list_files(root):
                info = archive.gettarinfo(str(path), path.relative_to(root).as_posix())
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
                packed += info.size
                if packed - said >= _SAY_EVERY_BYTES:
                    said = packed
                    on_message(f"{packed / manifest.unpacked_bytes:.0%} packed")
        aside.replace(output)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def _writer(path: Path, compression: str) -> Iterator[tarfile.TarFile]:
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
            tarfile.open(fileobj=stream, mode="w|", bufsize=1 << 20, format=tarfile.GNU_FORMAT)  # type: ignore[call-overload,unused-ignore]
        )
