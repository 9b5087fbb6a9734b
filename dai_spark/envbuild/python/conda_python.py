"""A Python of conda channels: rattler solves and installs, conda-pack moves it after uv has run.

conda writes the prefix of an environment into its files.  conda-pack knows which, and moves them
to another prefix; by default to none, with a `conda-unpack` that does it where the archive was
unpacked.  Here it moves them to a fixed prefix that nothing lies at, and what reads its prefix
when Python starts or scripts run is made to find it: scripts, and Python's record of its build.
So an executor has nothing to run after unpacking, Spark's own `--archives` is enough, a file
is what the archive's digest says, and two builds give the same bytes.  Libraries find each other
relative to themselves, as in a copied Python.  The files that still name that prefix are read by
compilers and by programs that scoring does not start (pkg-config, terminfo, OpenSSL's own
certificates).
"""

import shutil
import warnings
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Sequence, Tuple, Union

from dai_spark.envbuild.packages.requirements import RequirementSet
from dai_spark.envbuild.python import conda_channels
from dai_spark.envbuild.python.interpreter import describe
from dai_spark.envbuild.python.python_source import PythonSource
from dai_spark.envbuild.python.relocate import ignored_names, relocate_build_record
from dai_spark.errors import EnvironmentBuildError, OptionError

__all__ = ["HOME", "LOCK_NAME", "NO_CONDA", "CondaOptions", "CondaPython"]

# A file of the archive: where each conda package came from.
LOCK_NAME = "dai_spark_conda.lock"
# Where conda-pack moves it: nothing lies there, on any machine.
HOME = "/opt/dai_spark/environment"
# Records of the building machine, and conda-pack's scripts, which stand for conda's own.
_BUILD_RECORDS = ("conda-meta", "bin/activate", "bin/deactivate")


class CondaOptions(NamedTuple):
    """The user's options for conda.

    Attributes
    ----------
    channels : tuple of str
        URLs; the first that has a package gives it.
    lock : Path or None
        File of the lock to follow.
    write_lock : Path or None
        File to write a lock to.
    """

    channels: Tuple[str, ...] = ()
    lock: Optional[Path] = None
    write_lock: Optional[Path] = None

    @classmethod
    def of(
        cls,
        channels: Sequence[str],
        lock: Optional[Union[str, Path]],
        write_lock: Optional[Union[str, Path]],
    ) -> "CondaOptions":
        """Check the arguments of a build.

        Parameters
        ----------
        channels : sequence of str
            URLs of the channels.
        lock, write_lock : str or Path, optional
            Files of a lock to follow, and of one to write.

        Returns
        -------
        CondaOptions

        Raises
        ------
        OptionError
            There is a lock and no channel.
        """
        if (lock is not None or write_lock is not None) and not channels:
            raise OptionError("A lock is of conda packages: name the channel too, with --channel.")
        lock, write_lock = (
            None if path is None else Path(path).expanduser() for path in (lock, write_lock)
        )
        return cls(tuple(channels), lock, write_lock)

    def read_lock(self) -> Optional[str]:
        """Read the lock to follow.

        Returns
        -------
        str or None
            Its text; None where the user names none.

        Raises
        ------
        EnvironmentBuildError
            It cannot be read.
        """
        if self.lock is None:
            return None
        try:
            return self.lock.read_text(encoding="utf-8")
        except OSError as error:
            raise EnvironmentBuildError(
                f"The lock {self.lock} cannot be read ({error.strerror}); give the path of a file "
                "that --write-lock wrote."
            ) from error


NO_CONDA = CondaOptions()


class CondaPython(PythonSource):
    """A Python of conda channels, with those of the required packages that the channels have.

    Parameters
    ----------
    requirements : RequirementSet
        They name the Python and the packages.
    channels : sequence of str
        URLs, the first that has a package gives it.
    lock : str, optional
        Text of a lock, which is followed; without one the solver chooses.
    on_message : callable
        Gets a sentence before the solver runs.

    Attributes
    ----------
    lock : str
        Lock of the packages that are installed.
    records : list of rattler.RepoDataRecord
        Those packages.

    Raises
    ------
    EnvironmentBuildError
        The channels cannot be solved, or the lock has another Python.
    """

    built_from = "conda"
    home = HOME

    def __init__(
        self,
        requirements: RequirementSet,
        channels: Sequence[str],
        lock: Optional[str],
        on_message: Callable[[str], None],
    ) -> None:
        if lock is None:
            on_message(
                f"solving Python {requirements.python} and what the channels have of its packages"
            )
            self.records = conda_channels.solve(requirements, channels)
            self.lock = conda_channels.write_lock(self.records)
        else:
            self.records = conda_channels.locked(lock, channels)
            self.lock = lock
        versions = [str(one.version) for one in self.records if one.name.normalized == "python"]
        if not versions or not versions[0].startswith(f"{requirements.python}."):
            raise EnvironmentBuildError(
                f"The lock has {f'Python {versions[0]}' if versions else 'no Python'}, but Python "
                f"{requirements.python} is wanted; write one for this Driverless AI version."
            )
        self.version = versions[0]
        self.how = (
            f"Python {self.version} and {len(self.records) - 1} more conda packages were installed "
            "by rattler and made relocatable with conda-pack"
        )
        # By name and digest: a mirror gives the same bytes from another address.
        self.identity = tuple(map("/".join, conda_channels.read_lock(self.lock)))

    def prepare(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Install the conda packages beside `root`.

        Parameters
        ----------
        root : Path
            The prefix that is packed, an empty folder.
        on_message : callable
            Gets a sentence that names the packages.

        Returns
        -------
        Path
            The executable, beside `root`.

        Raises
        ------
        EnvironmentBuildError
            A package cannot be fetched, or the Python does not start.
        """
        names = [f"{one.name.normalized} {one.version}" for one in self.records]
        on_message(f"installing {len(names)} conda packages: {', '.join(sorted(names))}")
        prefix = _beside(root)
        conda_channels.install(self.records, prefix, root.parent / "packages")
        executable = super().settle(prefix, on_message)
        if describe(executable) is None:
            raise EnvironmentBuildError(
                f"The Python {self.version} of the channels does not start on this machine."
            )
        return executable

    def settle(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Let conda-pack move everything to `root`.

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
            conda-pack could not move it.
        """
        on_message("moving the environment with conda-pack")
        _move(_beside(root), root)
        for name in _BUILD_RECORDS:
            path = root / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        executable = super().settle(root, on_message)
        _prune_stdlib(root / "lib" / executable.name)
        for folder in [path for path in root.rglob("__pycache__") if path.is_dir()]:
            shutil.rmtree(folder)
        relocate_build_record(root, HOME)
        (root / LOCK_NAME).write_text(self.lock, encoding="utf-8")
        return executable


def _beside(root: Path) -> Path:
    return root.parent / "conda"


def _move(prefix: Path, root: Path) -> None:
    try:
        import conda_pack
    except ImportError:
        raise EnvironmentBuildError(
            "Environments of conda channels are moved with conda-pack, which is not here; install "
            "it with `pip install 'dai_spark[env,conda]'`."
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            root.rmdir()
            conda_pack.pack(
                prefix=str(prefix), output=str(root), format="no-archive", dest_prefix=HOME
            )
        for path in root.iterdir():
            # Without an archive to write, conda-pack leaves its empty temporary file here.
            if path.is_file() and not (prefix / path.name).exists():
                path.unlink()
    except (conda_pack.CondaPackException, UserWarning) as error:
        said = str(error)
        raise EnvironmentBuildError(
            "conda-pack could not move the environment: most often a package of the index took "
            "the place of one of the channels, so that files of it are missing; --constraint with "
            f"the channel's version keeps that. It said: {' '.join(said.split())[:300]}",
            details=said,
        ) from error


def _prune_stdlib(stdlib: Path) -> None:
    """Remove what a copied Python would not get, either, from the standard library."""
    folders = [stdlib]
    while folders:
        folder = folders.pop()
        names = {path.name for path in folder.iterdir()} - {"site-packages"}
        gone = ignored_names(str(folder), sorted(names))
        for name in sorted(names):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                if name in gone:
                    shutil.rmtree(path)
                else:
                    folders.append(path)
            elif name in gone:
                path.unlink()
