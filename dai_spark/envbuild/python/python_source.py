"""The ways to the Python of an environment; what follows is the same for all of them."""

import abc
from pathlib import Path
from typing import Callable, ClassVar, Optional, Tuple

from dai_spark.envbuild.python.interpreter import Interpreter, describe
from dai_spark.envbuild.python.relocate import bundle_libraries, copy_interpreter
from dai_spark.errors import EnvironmentBuildError

__all__ = ["FoundPython", "Way"]


class Way(abc.ABC):
    """How an environment comes by its Python.

    `prepare` gives a Python that packages are installed into, `settle` then leaves all of it at
    the prefix that is packed.

    Attributes
    ----------
    built_from : str
        What the manifest says of the way: ``"interpreter"`` or ``"conda"``.
    version : str
        Full version of the Python, ``"3.8.18"``.
    how : str
        What was done, the beginning of a sentence.
    identity : tuple of str
        What the digest of the inputs takes in beside version and requirements.
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
        """Return the executable of a Python that starts, at or beside the empty prefix `root`."""

    def settle(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Bring what was installed to `root`; return the executable there."""
        return root / "bin" / f"python{'.'.join(self.version.split('.')[:2])}"


class FoundPython(Way):
    """A Python of the building machine, copied."""

    built_from = "interpreter"

    def __init__(self, source: Interpreter) -> None:
        self.source = source
        self.version = source.version
        self.how = f"Python {source.version} was copied and made relocatable"
        self.libraries = source.prefix

    def prepare(self, root: Path, on_message: Callable[[str], None]) -> Path:
        """Copy it to `root`, with the libraries that it needs."""
        executable = copy_interpreter(self.source, root, on_message)
        bundle_libraries(root, origin=self.source.prefix, on_message=on_message)
        if describe(executable) is None:
            raise EnvironmentBuildError(
                f"The copy of {self.source.executable} does not start; name another Python with "
                f"--python, or install one with `uv python install {self.source.minor}`."
            )
        return executable
