"""The folder that brings a build to a machine without network.

::

    SHA256SUMS                     digests of all other files, for `sha256sum --check`
    dai_spark_download.json        what it was collected for
    python/                        the Python, an environment without packages
    wheels/                        a wheel of each package, but those that the export brings
    system/lib/                    shared libraries that the wheels need and do not bring
    conda/, conda.lock             instead of python/: a channel of conda packages, and their lock
    jars/                          jars of Delta Lake and Iceberg, where asked for

`dai_spark.envbuild.download` fills it, `dai_spark.envbuild.build` reads it.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.manifest import MANIFEST_NAME
from dai_spark.envbuild.python.interpreter import describe
from dai_spark.envbuild.python.python_source import PythonSource
from dai_spark.errors import EnvironmentBuildError

__all__ = ["OfflineContents", "OfflineFolder", "OfflinePython"]

_SUMS = "SHA256SUMS"
_CONTENTS = "dai_spark_download.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True)
class OfflineContents:
    """The contents of an offline folder, and what it was collected for.

    Attributes
    ----------
    source : str
        ``"the lock of Driverless AI 1.10"``.
    python : str
        Full version of its Python.
    platform : str
        ``"linux-x86_64"``.
    packages : tuple of str
        Wheels in it, as ``name==version``.
    from_export : tuple of str
        Wheels that are not in it, since the export brings them again.
    tools : dict of str to str
        Versions of the programs that collected it; the other side needs them as well.
    format_version : int
        Version of this form; a folder of a later one is refused.
    """

    source: str
    python: str
    platform: str
    packages: List[str] = field(default_factory=list)
    from_export: List[str] = field(default_factory=list)
    tools: Dict[str, str] = field(default_factory=dict)
    format_version: int = _FORMAT_VERSION


class OfflineFolder:
    """The parts of an offline folder, and their digests.

    Parameters
    ----------
    path : Path
        The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.python = self.path / "python"
        self.wheels = self.path / "wheels"
        self.system = self.path / "system"
        self.conda = self.path / "conda"
        self.conda_lock = self.path / "conda.lock"
        self.jars = self.path / "jars"

    def parts(self) -> Set[Path]:
        """Name what an interrupted collection may have left.

        Returns
        -------
        set of Path
        """
        return {self.python, self.wheels, self.system, self.conda, self.conda_lock, self.jars}

    def files(self) -> List[str]:
        """List the files that SHA256SUMS has to name.

        Returns
        -------
        list of str
            Paths relative to the folder, sorted.
        """
        return sorted(
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.name != _SUMS and not path.is_dir()
        )

    def sums(self) -> Dict[str, str]:
        """Read SHA256SUMS.

        Returns
        -------
        dict of str to str
            Path to digest; empty where there is no such file.
        """
        try:
            text = (self.path / _SUMS).read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return {name: digest for digest, name in re.findall(r"^(\w{64})  (.+)$", text, re.M)}

    def is_intact(self, path: Path) -> bool:
        """Whether a file is as it was collected, or is not listed yet.

        Parameters
        ----------
        path : Path
            A file of the folder.

        Returns
        -------
        bool
        """
        listed = self.sums().get(path.relative_to(self.path).as_posix())
        return listed is None or listed == _digest(path)

    def close(self, contents: OfflineContents) -> str:
        """Write what it was collected for, and the digests of all files.

        Parameters
        ----------
        contents : OfflineContents
            What it was collected for.

        Returns
        -------
        str
            Digest of SHA256SUMS.
        """
        text = json.dumps(asdict(contents), indent=2, sort_keys=True) + "\n"
        (self.path / _CONTENTS).write_text(text, encoding="utf-8")
        lines = [f"{_digest(self.path / name)}  {name}\n" for name in self.files()]
        (self.path / _SUMS).write_text("".join(lines), encoding="utf-8")
        return self.digest()

    def digest(self) -> str:
        """Compute the SHA-256 of SHA256SUMS: one number for all of the folder.

        Returns
        -------
        str
        """
        return hashlib.sha256((self.path / _SUMS).read_bytes()).hexdigest()

    def verify(self, on_message: Callable[[str], None]) -> OfflineContents:
        """Compare every file with SHA256SUMS.

        Parameters
        ----------
        on_message : callable
            Gets a sentence.

        Returns
        -------
        OfflineContents

        Raises
        ------
        EnvironmentBuildError
            A file is missing, changed, or not listed; the folder was not collected to its end, or
            by a later version.
        """
        listed = self.sums()
        if not listed or _CONTENTS not in listed:
            raise EnvironmentBuildError(
                f"{self.path} holds no complete {_SUMS}, so it was not collected by `dai-spark env "
                "download`, or not to its end; run that again on a machine with network."
            )
        present = self.files()
        for name in sorted({*listed, *present}):
            wrong = "is missing" if name not in present else "is not listed in SHA256SUMS"
            if name in listed and name in present:
                if _digest(self.path / name) == listed[name]:
                    continue
                wrong = "is not what SHA256SUMS says"
            raise EnvironmentBuildError(
                f"{name} in {self.path} {wrong}: it was changed, or lost while it was carried; "
                "copy the folder again."
            )
        on_message(
            f"{len(listed)} files of {self.path} are as they were collected ({self.digest()})"
        )
        found: Dict[str, Any] = json.loads((self.path / _CONTENTS).read_text("utf-8"))
        if found["format_version"] > _FORMAT_VERSION:
            raise EnvironmentBuildError(
                f"{self.path} was collected by a later dai_spark than this one; install that one "
                "here."
            )
        known = {one.name for one in fields(OfflineContents)}
        return OfflineContents(**{name: found[name] for name in known & set(found)})


def _digest(path: Path) -> str:
    # `file_digest` remembers digests; here every byte has to be read again.
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


class OfflinePython(PythonSource):
    """The Python of an offline folder: a copy that was made on the machine with network.

    Parameters
    ----------
    folder : OfflineFolder
        The folder.
    python : str
        Minor version of the Python that is needed.

    Raises
    ------
    EnvironmentBuildError
        The folder has no Python, or one of another version.
    EnvironmentMismatchError
        The Python is for another kind of machine.
    """

    built_from = "interpreter"

    def __init__(self, folder: OfflineFolder, python: str) -> None:
        archives = sorted(folder.python.glob("*.tar.zst"))
        if not archives:
            raise EnvironmentBuildError(
                f"{folder.path} carries no Python; collect it again with `dai-spark env download`."
            )
        self.archive = archives[0]
        carried = PackedEnvironment(self.archive)
        if carried.python != python:
            raise EnvironmentBuildError(
                f"{folder.path} carries Python {carried.manifest.python}, but Python {python} is "
                "wanted; collect a folder for this Driverless AI version."
            )
        carried.check_machine(self.archive.name)
        self.version = carried.manifest.python
        self.how = f"Python {self.version} was copied and made relocatable"
        self.libraries = folder.system

    def prepare(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Unpack the Python at `root`.

        Parameters
        ----------
        root : Path
            The prefix that is packed, an empty folder.
        on_message : callable
            Gets a sentence.

        Returns
        -------
        Path
            The executable at `root`.

        Raises
        ------
        EnvironmentBuildError
            It does not start here.
        """
        on_message(f"unpacking Python {self.version}")
        extract_archive(self.archive, root)
        (root / MANIFEST_NAME).unlink()
        executable = self.settle(root, on_message)
        if describe(executable) is None:
            raise EnvironmentBuildError(
                f"The Python of {self.archive} does not start on this machine; use one of the "
                "kind that it was collected on."
            )
        return executable
