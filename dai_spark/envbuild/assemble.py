"""The steps that a build and a download share: choose a Python, install into it, describe it."""

import contextlib
import platform
import tempfile
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Set, Tuple, Union

from dai_spark.artifacts.manifest import EnvironmentManifest
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.packages.package_sources import NETWORK, PackageSources
from dai_spark.envbuild.packages.requirements import RequirementSet, from_line
from dai_spark.envbuild.packages.selection import Choice
from dai_spark.envbuild.packages.uv import install_packages
from dai_spark.envbuild.packages.wheel_file import installable_wheel
from dai_spark.envbuild.packages.wheel_name import package_name
from dai_spark.envbuild.prefix.bundle import bundle_libraries
from dai_spark.envbuild.prefix.pack import list_files
from dai_spark.envbuild.prefix.prune import installed_packages, prune_packages
from dai_spark.envbuild.prefix.shared_libraries import newest_glibc
from dai_spark.envbuild.prefix.tensorflow_names import rename_tensorflow
from dai_spark.envbuild.python.conda_python import CondaOptions, CondaPython
from dai_spark.envbuild.python.interpreter import find_interpreter
from dai_spark.envbuild.python.python_source import LocalPython, PythonSource
from dai_spark.errors import EnvironmentBuildError, OptionError
from dai_spark.registry.pipeline_place import export_at_hand

__all__ = [
    "check_build_machine",
    "describe_prefix",
    "export_wheels",
    "install_prefix",
    "online_python_source",
    "read_requirements",
]


def check_build_machine() -> None:
    """Refuse a machine that no environment can be built on.

    Raises
    ------
    EnvironmentBuildError
        This machine does not run Linux.
    """
    if platform.system() != "Linux":
        raise EnvironmentBuildError(
            f"Environments are built on Linux, and this machine is {platform.system()}; "
            "Driverless AI's wheels exist for linux-x86_64 only."
        )


def read_requirements(
    reference: Optional[Union[str, Path]],
    dai: Optional[str],
    choice: Choice,
    sources: PackageSources = NETWORK,
) -> Tuple[RequirementSet, Optional[ScoringPipeline]]:
    """Read the requirements of an export, or those of a Driverless AI line.

    Parameters
    ----------
    reference : str or Path, optional
        The export.
    dai : str, optional
        The line, instead of `reference`.
    choice : Choice
        What the user says of packages.
    sources : PackageSources, optional
        Where packages come from; asked for PyTorch's builds without CUDA.

    Returns
    -------
    requirements : RequirementSet
        What to install.
    export : ScoringPipeline or None
        The export; None for a line.

    Raises
    ------
    OptionError
        Both or neither of `reference` and `dai` are given, or `choice` names unknown packages.
    EnvironmentBuildError
        The requirements cannot be read or cannot be met.
    """
    if (reference is None) == (dai is None):
        raise OptionError("Give either reference= (an export) or dai= (a line such as '1.10').")
    if reference is not None:
        export = ScoringPipeline(export_at_hand(reference))
        return from_export(export, choice, sources), export
    assert dai is not None
    return from_line(dai, choice), None


def online_python_source(
    requirements: RequirementSet,
    python: Optional[str],
    conda: CondaOptions,
    on_message: Callable[[str], None],
) -> PythonSource:
    """Take the Python of conda channels where some are named, else one of this machine.

    Parameters
    ----------
    requirements : RequirementSet
        They name the Python, and what the channels may give beside it.
    python : str, optional
        Path of the Python to take; by default one is looked for.
    conda : CondaOptions
        Channels and locks; a lock is written here where one is asked for.
    on_message : callable
        Gets a sentence at each step.

    Returns
    -------
    PythonSource

    Raises
    ------
    OptionError
        Both `python` and channels are named.
    EnvironmentBuildError
        There is no such Python, or the channels cannot be solved.
    """
    if not conda.channels:
        return LocalPython(
            find_interpreter(requirements.python, given=python, on_message=on_message)
        )
    if python is not None:
        raise OptionError("Channels bring their Python: leave out either --python or --channel.")
    source = CondaPython(requirements, conda.channels, conda.read_lock(), on_message)
    if conda.write_lock is not None:
        conda.write_lock.write_text(source.lock, encoding="utf-8")
        on_message(f"{conda.write_lock} has the {len(source.records)} conda packages")
    return source


def install_prefix(
    root: Path,
    python: Path,
    requirements: RequirementSet,
    python_source: PythonSource,
    export: Optional[ScoringPipeline],
    sources: PackageSources,
    on_message: Callable[[str], None],
) -> Tuple[Path, Set[str]]:
    """Install into a prepared Python, and leave all of it at `root`, relocatable.

    Parameters
    ----------
    root : Path
        The prefix that is packed.
    python : Path
        Executable that `python_source` prepared.
    requirements : RequirementSet
        What to install.
    python_source : PythonSource
        Where that Python comes from; it moves it to `root`.
    export : ScoringPipeline, optional
        The export that holds the wheels of `requirements`.
    sources : PackageSources
        Where the other packages come from.
    on_message : callable
        Gets a sentence at each step.

    Returns
    -------
    executable : Path
        The Python at `root`.
    bundled : set of str
        Libraries that were copied from elsewhere, since no installed package has them.

    Raises
    ------
    EnvironmentBuildError
        Packages cannot be installed, or the prefix cannot be made relocatable.
    """
    # In an offline folder are wheels that pip built, beside SHA256SUMS of all.
    is_offline = sources.offline_wheels is not None
    lines = requirements.lines if is_offline else requirements.hashed_lines()
    with export_wheels(requirements, export, root.parent) as wheels:
        install_packages(
            python,
            requirements=[*lines, *wheels],
            overrides=[*requirements.overrides, *wheels],
            sources=sources,
            on_message=on_message,
        )
    executable = python_source.settle(root, on_message)
    rename_tensorflow(root, requirements.wheels, on_message)
    prune_packages(root, executable.name, python_source.home)
    installed = _library_names(root)
    for sentence in bundle_libraries(root, origin=python_source.libraries, on_message=on_message):
        on_message(sentence)
    return executable, _library_names(root) - installed


def _library_names(root: Path) -> Set[str]:
    return {path.name for path in (root / "lib").glob("*.so*")}


@contextlib.contextmanager
def export_wheels(
    requirements: RequirementSet, export: Optional[ScoringPipeline], folder: Path
) -> Iterator[List[str]]:
    """Extract the wheels that an export brings; they are removed when the context ends.

    Parameters
    ----------
    requirements : RequirementSet
        It names the wheels.
    export : ScoringPipeline, optional
        It holds them; None where `requirements` names none.
    folder : Path
        The wheels are extracted below it, on the disk that the packages are installed to.

    Yields
    ------
    list of str
        A requirement for each wheel, ``name @ file:///...``.

    Raises
    ------
    EnvironmentBuildError
        A wheel is another one than its name says.
    """
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=str(folder)) as wheels:
        lines = []
        for member in requirements.wheels:
            assert export is not None
            wheel = installable_wheel(export.extract_member(member, Path(wheels)))
            lines.append(f"{package_name(wheel.name)} @ {wheel.as_uri()}")
        yield lines


def describe_prefix(
    root: Path,
    executable: Path,
    requirements: RequirementSet,
    python_source: PythonSource,
    *,
    how: str,
    inputs: str,
) -> EnvironmentManifest:
    """State what a prefix holds that is ready to be packed.

    Parameters
    ----------
    root : Path
        The prefix.
    executable : Path
        Its Python.
    requirements : RequirementSet
        What was installed.
    python_source : PythonSource
        Where its Python came from.
    how : str
        What was done, as sentences.
    inputs : str
        Digest of what it was built from; empty where nobody will compare it.

    Returns
    -------
    EnvironmentManifest
    """
    paths = list_files(root)
    return EnvironmentManifest(
        python=python_source.version,
        platform=f"linux-{platform.machine()}",
        interpreter=f"bin/{executable.name}",
        dai_line=requirements.dai_line,
        core_version=requirements.core_version,
        glibc=newest_glibc(root),
        built_from=python_source.built_from,
        how=how,
        packages=installed_packages(root),
        unpacked_bytes=sum(p.stat().st_size for p in paths if not p.is_symlink()),
        n_files=len(paths),
        inputs=inputs,
    )
