"""PackedEnvironment: what an archive of a relocatable Python says of itself.

A packed environment is an archive (`.tar.gz` or `.tar.zst`) of one relocatable Python with the
dependencies that all exports of one Driverless AI line share.  Its first member is a manifest,
so that asking an archive of half a gigabyte what it holds reads some kilobytes of it.
"""

import hashlib
import os
import platform
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple, Union

from dai_spark.artifacts.archive import DAMAGE, SMALL_BYTES, open_archive
from dai_spark.artifacts.manifest import MANIFEST_NAME, EnvironmentManifest
from dai_spark.errors import (
    EnvironmentMismatchError,
    EnvironmentNotFoundError,
    EnvironmentUnpackError,
    PackedEnvironmentError,
)
from dai_spark.host.digest import file_digest

if TYPE_CHECKING:
    from dai_spark.artifacts.pipeline import ScoringPipeline

__all__ = ["PackedEnvironment"]

# A manifest of a thousand packages has 30 kB.
_MOST_BYTES = 4 << 20


class PackedEnvironment:
    """A packed environment: an archive, or a folder that one was unpacked to.

    Runs on the driver or in any process; reads the manifest and executes nothing.

    Parameters
    ----------
    path : str or Path
        A ``.tar.gz`` or ``.tar.zst`` that `dai-spark env build` wrote, or a folder that holds
        the manifest (an image, a mount, an archive that Spark unpacked).

    Raises
    ------
    EnvironmentNotFoundError
        Nothing lies at `path`.
    EnvironmentUnpackError
        The file is no archive, or is damaged.
    PackedEnvironmentError
        The archive or folder holds no manifest, or one that cannot be read.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        try:
            self.path = Path(path).expanduser().absolute()
            is_there = self.path.exists()
        except (RuntimeError, OSError) as error:
            raise EnvironmentNotFoundError(
                f"The path {os.fspath(path)} leads nowhere on this host ({error}); give an "
                "absolute path, which this user can read."
            ) from None
        if not is_there:
            raise EnvironmentNotFoundError(
                f"No packed environment lies at {self.path}; build one with "
                "`dai-spark env build --reference scorer.zip -o dai-1.10.tar.gz`."
            )
        self.is_folder = self.path.is_dir()
        text = self._read_folder() if self.is_folder else self._read_archive()
        try:
            self.manifest = EnvironmentManifest.from_json(text)
        except ValueError as error:
            raise PackedEnvironmentError(
                f"The manifest {MANIFEST_NAME} in {self.path} cannot be read: {error}."
            ) from error
        self._text = text

    def _read_folder(self) -> bytes:
        manifest = self.path / MANIFEST_NAME
        try:
            if manifest.exists() and not manifest.is_file():
                raise FileNotFoundError
            with manifest.open("rb") as stream:
                text = stream.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            raise PackedEnvironmentError(
                f"The folder {self.path} holds no {MANIFEST_NAME}, so it is not a packed "
                "environment; give the folder that an archive of `dai-spark env build` was "
                "unpacked to, not one above or below it."
            ) from None
        except OSError as error:
            raise PackedEnvironmentError(
                f"The manifest {manifest} cannot be read ({error.strerror or error}); let this "
                "user read all of the environment's folder."
            ) from None
        if len(text) > _MOST_BYTES:
            raise PackedEnvironmentError(
                f"The manifest {manifest} has more than {_MOST_BYTES:,} bytes, so it is none; "
                "build the environment again."
            )
        return text

    def _read_archive(self) -> bytes:
        try:
            with open_archive(self.path) as archive:
                first = archive.next()
                if first is not None and first.name == MANIFEST_NAME and first.isreg():
                    content = archive.extractfile(first)
                    assert content is not None
                    if first.size > SMALL_BYTES:
                        raise PackedEnvironmentError(
                            f"The manifest {MANIFEST_NAME} in {self.path} claims {first.size:,} "
                            "bytes, so it is none; build the environment again."
                        )
                    return content.read()
        except DAMAGE as error:
            raise EnvironmentUnpackError(
                f"{self.path} cannot be read as an archive ({error}); it is damaged or was cut "
                "off while copied. Copy or build it again."
            ) from error
        raise PackedEnvironmentError(
            f"{self.path} holds no {MANIFEST_NAME} as its first member, so it was packed by "
            "something else (conda-pack, tar). Build the environment with "
            "`dai-spark env build --reference scorer.zip -o dai-1.10.tar.gz`, which needs no conda."
        )

    @property
    def manifest_text(self) -> bytes:
        """The manifest as it stands in the archive or the folder."""
        return self._text

    @property
    def python(self) -> str:
        """Major and minor version of its Python, ``"3.8"``."""
        return ".".join(self.manifest.python.split(".")[:2])

    @property
    def dai_line(self) -> Optional[str]:
        """Driverless AI line that it serves, ``"1.10"``, or None."""
        return self.manifest.dai_line

    @property
    def core_version(self) -> Optional[str]:
        """Version of h2oaicore in it, or None where it was built without an export."""
        return self.manifest.core_version

    @property
    def interpreter(self) -> str:
        """Path of its Python relative to the unpacked folder, ``"bin/python3.8"``."""
        return self.manifest.interpreter

    @cached_property
    def size_bytes(self) -> int:
        """Size of the archive; of a folder, the size that its manifest states."""
        return self.manifest.unpacked_bytes if self.is_folder else self.path.stat().st_size

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the archive's bytes; of a folder, of its manifest and its absolute path.

        A folder is taken at its word: it lies on every node already and is not read through.
        """
        if self.is_folder:
            return hashlib.sha256(self._text + str(self.path).encode("utf-8")).hexdigest()
        return file_digest(self.path)

    def check_whole(self) -> None:
        """Read the archive to its end, and compare what it holds with what its manifest states.

        Unpacks nothing.  Takes seconds, since it has to be decompressed; a folder is taken at its
        word.

        Raises
        ------
        EnvironmentUnpackError
            It was cut off, or is damaged.
        """
        if self.is_folder:
            return
        n_files = 0
        try:
            with open_archive(self.path) as archive:
                for member in archive:
                    if not member.isdir() and member.name != MANIFEST_NAME:
                        n_files += 1
                # What is behind the last member: the end of the compressed stream, with its sum.
                while archive.fileobj is not None and archive.fileobj.read(1 << 16):
                    pass
        except DAMAGE as error:
            raise EnvironmentUnpackError(
                f"{self.path} cannot be read to its end ({error}); it is damaged or was cut off "
                "while copied. Copy or build it again."
            ) from error
        stated = self.manifest.n_files
        if n_files != stated:
            raise EnvironmentUnpackError(
                f"{self.path} holds {n_files} files where its manifest states {stated}; it was cut "
                "off while copied. Copy or build it again."
            )

    def check_fits(self, pipeline: "ScoringPipeline") -> None:
        """Compare what environment and export state of themselves.

        What one of the two does not state is not compared.

        Raises
        ------
        EnvironmentMismatchError
            Python's minor version, the DAI line or the version of h2oaicore differ.
        """
        sides: Tuple[Tuple[str, Optional[str], Optional[str]], ...] = (
            ("Python", self.python, pipeline.python),
            ("Driverless AI", self.dai_line, pipeline.dai_line),
            ("h2oaicore", self.core_version, pipeline.dai_version),
        )
        for what, ours, theirs in sides:
            if ours is not None and theirs is not None and ours != theirs:
                raise EnvironmentMismatchError(
                    f"The environment {self.path} is for {what} {ours}, but the pipeline "
                    f"{pipeline.path} was exported for {what} {theirs}. Build one that fits: "
                    f"`dai-spark env build --reference {pipeline.path} "
                    f"-o dai-{pipeline.dai_version or theirs}.tar.gz`."
                )

    def check_machine(self, label: Optional[str] = None) -> None:
        """Compare system, processor and C library with those of the machine this runs on.

        Meant for executors: a driver may be of another system than they are.

        Parameters
        ----------
        label : str, optional
            What an error calls the environment; by default the name of its file or folder, which
            on executors is a digest.

        Raises
        ------
        EnvironmentMismatchError
            This machine cannot run the environment.
        """
        here = f"{platform.system().lower()}-{platform.machine()}"
        label = label or self.path.name
        if here != self.manifest.platform:
            raise EnvironmentMismatchError(
                f"The environment {label} is for {self.manifest.platform}, but the host "
                f"{platform.node()} is {here}; Driverless AI's wheels exist for linux-x86_64 "
                "only: use executors of that kind."
            )
        library, version = platform.libc_ver()
        needed = self.manifest.glibc
        if needed and library == "glibc" and _numbers(version) < _numbers(needed):
            raise EnvironmentMismatchError(
                f"The environment {label} needs the GNU C library {needed} or later, but "
                f"the host {platform.node()} has {version}; build the environment on a machine "
                "whose C library is not newer than that of the executors."
            )

    def __repr__(self) -> str:
        manifest = self.manifest
        core = f"h2oaicore {manifest.core_version}" if manifest.core_version else "no h2oaicore"
        size = "" if self.is_folder else f"{self.size_bytes / 1e6:.0f} MB, "
        return (
            f"PackedEnvironment({str(self.path)!r})\n"
            f"  DAI      {manifest.dai_line or 'not stated'} ({core})\n"
            f"  Python   {manifest.python}, {len(manifest.packages)} packages\n"
            f"  runs on  {manifest.platform}, glibc {manifest.glibc or 'any'} or later\n"
            f"  size     {size}{manifest.unpacked_bytes / 1e6:.0f} MB unpacked "
            f"in {manifest.n_files} files"
        )


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
