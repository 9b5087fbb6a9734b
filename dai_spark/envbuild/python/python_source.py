"""Where the Python of an environment comes from; the rest of a build is always the same."""

import abc
from pathlib import Path
from typing import Callable, ClassVar, Optional, Tuple

from dai_spark.envbuild.prefix.bundle import bundle_libraries
from dai_spark.envbuild.python.interpreter import Interpreter, describe
from dai_spark.envbuild.python.relocate import copy_interpreter
from dai_spark.errors import EnvironmentBuildError

__all__ = ["LocalPython", "PythonSource"]


class PythonSource(abc.ABC):
    """A source of the Python of an environment.

    `prepare` gives a Python that packages are installed into; `settle` then leaves all of it at
    the prefix that is packed.  A build calls each once.

    Attributes
    ----------
    built_from : str
        What the manifest says of the source: ``"interpreter"`` or ``"conda"``.
    version : str
        Full version of the Python, ``"3.8.18"``.
    how : str
        What was done; the beginning of a sentence of the manifest.
    identity : tuple of str
        What the digest of the inputs covers beside version and requirements.
    libraries : Path or None
        Prefix whose ``lib`` is searched for what the installed packages need, before the
        machine's own libraries.
    home : str or None
        Prefix that the files name once settled; None where it is the folder that they lie in.
    """

    built_from: ClassVar[str]
    version: str
    how: str
    identity: Tuple[str, ...] = ()
    libraries: Optional[Path] = None
    home: Optional[str] = None

    @abc.abstractmethod
    def prepare(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Make a Python that packages can be installed into.

        Parameters
        ----------
        root : Path
            The prefix that is packed, an empty folder; the Python lies in it or beside it.
        on_message : callable
            Gets a sentence at each step.

        Returns
        -------
        Path
            The executable; it starts.

        Raises
        ------
        EnvironmentBuildError
            It does not start.
        """

    def settle(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Bring what was installed to `root`.

        Parameters
        ----------
        root : Path
            The prefix that is packed.
        on_message : callable
            Gets a sentence at each step.

        Returns
        -------
        Path
            The executable at `root`.
        """
        return root / "bin" / f"python{'.'.join(self.version.split('.')[:2])}"


class LocalPython(PythonSource):
    """A Python of the building machine, which is copied.

    Parameters
    ----------
    interpreter : Interpreter
        The Python to copy.
    """

    built_from = "interpreter"

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.version = interpreter.version
        self.how = f"Python {interpreter.version} was copied and made relocatable"
        self.libraries = interpreter.prefix

    def prepare(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Copy the interpreter to `root`, with the libraries that it needs.

        Parameters
        ----------
        root : Path
            The prefix that is packed, an empty folder.
        on_message : callable
            Gets a sentence at each step.

        Returns
        -------
        Path
            The executable at `root`.

        Raises
        ------
        EnvironmentBuildError
            The copy does not start.
        """
        executable = copy_interpreter(self.interpreter, root, on_message)
        bundle_libraries(root, origin=self.interpreter.prefix, on_message=on_message)
        if describe(executable) is None:
            raise EnvironmentBuildError(
                f"The copy of {self.interpreter.executable} does not start; name another Python "
                f"with --python, or install one with `uv python install {self.interpreter.minor}`."
            )
        return executable
