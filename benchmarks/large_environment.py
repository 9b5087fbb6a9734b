"""A packed environment of a real one's size: the stand-in's, with its packages packed repeatedly.

A real environment of Driverless AI has h2oaicore in it and 1.2 GB.  Copies of the stand-in's own
packages decompress as slowly as they do, which random bytes would not.
"""

import dataclasses
import shutil
import tempfile
from pathlib import Path

from direct import ENVIRONMENT, FOLDER
from program import tell

from dai_spark import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.envbuild.prefix.pack import list_files, write_archive


def large_environment(size_bytes: int) -> Path:
    """Pack the stand-in's environment with so many copies that it unpacks to a given size.

    Built once for the size and the environment it is made from.
    """
    source = PackedEnvironment(ENVIRONMENT)
    path = FOLDER / f"dai-1.10-{size_bytes // 1_000_000}MB-{source.digest[:8]}.tar.zst"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".large-", dir=FOLDER) as folder:
        root = Path(folder) / "environment"
        tell(f"packing an environment of {size_bytes / 1e6:,.0f} MB")
        extract_archive(ENVIRONMENT, root)
        (root / "dai_spark_environment.json").unlink(missing_ok=True)
        n_bytes = add_copies(root, size_bytes)
        manifest = dataclasses.replace(
            source.manifest,
            unpacked_bytes=n_bytes,
            n_files=len(list_files(root)),
            inputs="",
        )
        write_archive(root, manifest, path, tell)
    return path


def add_copies(root: Path, size_bytes: int) -> int:
    """Copy the environment's files below `copies/` until it has that size; return its size."""
    files = [path for path in list_files(root) if path.is_file() and not path.is_symlink()]
    n_bytes = sum(path.stat().st_size for path in files)
    number = 0
    while n_bytes < size_bytes:
        number += 1
        for path in files:
            to = root / "copies" / str(number) / path.relative_to(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            n_bytes += path.stat().st_size
            if n_bytes >= size_bytes:
                break
    return n_bytes
