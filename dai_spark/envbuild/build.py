"""Builds a packed environment: chooses, copies, installs, bundles, packs."""

import contextlib
import hashlib
import json
import platform
import re
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

from packaging.version import Version

from dai_spark.artifacts.environment import EnvironmentManifest, PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.offline.offline_folder import CarriedPython, OfflineFolder
from dai_spark.envbuild.packages import requirements
from dai_spark.envbuild.packages.package_sources import NETWORK, Sources
from dai_spark.envbuild.packages.requirements import Wanted
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice
from dai_spark.envbuild.packages.uv import install_packages
from dai_spark.envbuild.prefix.pack import compression_of, list_files, write_archive
from dai_spark.envbuild.prefix.prune import compile_sources, installed_packages, tidy_packages
from dai_spark.envbuild.prefix.shared_libraries import newer_than, newest_glibc
from dai_spark.envbuild.prefix.tensorflow_names import rename_tensorflow
from dai_spark.envbuild.python.conda_python import NO_CONDA, Conda, CondaPython
from dai_spark.envbuild.python.interpreter import find_interpreter
from dai_spark.envbuild.python.python_source import FoundPython, Way
from dai_spark.envbuild.python.relocate import bundle_libraries
from dai_spark.errors import EnvironmentBuildError, OptionError, PackedEnvironmentError

__all__ = [
    "build_environment",
    "build_wanted",
    "check_builder",
    "describe_prefix",
    "export_wheels",
    "fill",
    "networked_way",
    "wanted_of",
]

# Counted up whenever the same inputs give another archive.
_BUILDER = 2


def build_environment(
    output: Union[str, Path],
    *,
    reference: Optional[Union[str, Path]] = None,
    dai: Optional[str] = None,
    python: Optional[str] = None,
    offline: Optional[Union[str, Path]] = None,
    channels: Sequence[str] = (),
    lock: Optional[Union[str, Path]] = None,
    write_lock: Optional[Union[str, Path]] = None,
    find_links: Sequence[str] = (),
    choice: Choice = AS_LISTED,
    target_glibc: Optional[str] = None,
    on_message: Callable[[str], None] = lambda _: None,
) -> PackedEnvironment:
    """Build the packed environment of a Driverless AI version.

    Runs on the machine that builds, which must be of the executors' kind (linux-x86_64) and of
    no newer C library than theirs.  A second call with the same inputs returns at once.

    Parameters
    ----------
    output : str or Path
        Archive to write, ``.tar.gz`` or ``.tar.zst`` (unpacked faster).
    reference : str or Path, optional
        An export (zip or folder) of that version: its requirements are installed, with the
        wheels that it brings; any other export of the same version can then be scored.
    dai : str, optional
        A line such as ``"1.10"``, instead of `reference`: what the public index has of it,
        without h2oaicore.
    python : str, optional
        Path of the Python to pack; by default one is looked for.
    offline : str or Path, optional
        Folder that `download_environment` filled: nothing else is used, and no network.
    channels : sequence of str, optional
        Conda channels (URLs, mirrors of one's own among them) that give the Python and what they
        have of the packages; the rest comes from the index.
    lock : str or Path, optional
        File of conda packages that are taken instead of what the solver would choose.
    write_lock : str or Path, optional
        File to write such a lock to.
    find_links : sequence of str, optional
        Folders of wheels, and URLs of pages that link to some, beside the index: where PyTorch's
        builds without CUDA are, which are taken in place of those with it.
    choice : Choice, optional
        Packages to exclude, to add, to keep, and constraints.
    target_glibc : str, optional
        Oldest GNU C library that the archive must run on, such as ``"2.28"`` (RHEL and UBI 8).
    on_message : callable, optional
        Gets a sentence at each step.

    Returns
    -------
    PackedEnvironment

    Raises
    ------
    OptionError
        Both or neither of `reference` and `dai` are given; a package is to be excluded or kept
        that is not among the requirements; `target_glibc` is no version.
    EnvironmentBuildError
        No Python, packages that cannot be installed, a machine of another kind, or files that need
        a newer C library than `target_glibc`.
    """
    conda, sources = Conda.of(channels, lock, write_lock), Sources.of(find_links)
    folder = OfflineFolder(Path(offline)) if offline is not None else None
    if folder is not None:
        if python is not None or conda != NO_CONDA or find_links:
            raise OptionError(
                "An offline folder brings its Python and all packages: leave it out, or --python, "
                "--channel and --find-links."
            )
        contents = folder.verify(on_message)
        sources = Sources(carried=folder.wheels)
    wanted, export = wanted_of(reference, dai, choice, sources)
    if folder is not None and contents.source != wanted.source:
        on_message(f"it was collected for {contents.source}, not for {wanted.source}")
    return build_wanted(
        output,
        wanted,
        export=export,
        python=python,
        offline=folder,
        conda=conda,
        sources=sources,
        target_glibc=target_glibc,
        on_message=on_message,
    )


def wanted_of(
    reference: Optional[Union[str, Path]],
    dai: Optional[str],
    choice: Choice,
    sources: Sources = NETWORK,
) -> Tuple[Wanted, Optional[ScoringPipeline]]:
    """Requirements of an export or of a line, and the export.

    Raises
    ------
    OptionError
        Both or neither is given.
    """
    if (reference is None) == (dai is None):
        raise OptionError("Give either reference= (an export) or dai= (a line such as '1.10').")
    if reference is not None:
        export = ScoringPipeline(reference)
        return requirements.from_export(export, choice, sources), export
    assert dai is not None
    return requirements.from_line(dai, choice), None


def build_wanted(
    output: Union[str, Path],
    wanted: Wanted,
    *,
    export: Optional[ScoringPipeline] = None,
    python: Optional[str] = None,
    offline: Optional[OfflineFolder] = None,
    conda: Conda = NO_CONDA,
    sources: Sources = NETWORK,
    target_glibc: Optional[str] = None,
    on_message: Callable[[str], None],
) -> PackedEnvironment:
    """Build an environment of given requirements; see `build_environment`."""
    if target_glibc is not None and not re.fullmatch(r"\d+(\.\d+)+", target_glibc):
        raise OptionError(
            f"target_glibc={target_glibc!r} is no version; give the C library of the executors, "
            "such as 2.28 (`ldd --version` there tells it)."
        )
    output = Path(output).expanduser().absolute()
    compression_of(output)
    check_builder()
    if not output.parent.is_dir():
        raise EnvironmentBuildError(f"The folder {output.parent} does not exist; make it first.")
    way = _way(wanted, python, offline, conda, on_message)
    inputs = _inputs(wanted, way)
    for line in wanted.table():
        on_message(line)
    ready = _ready(output, inputs)
    if ready is not None:
        _check_target(ready.manifest.glibc, target_glibc, output, {})
        on_message(f"{output.name} was built from the same inputs before and is taken as it is")
        return ready
    # Beside the output: the same disk that has to hold the archive.
    with tempfile.TemporaryDirectory(prefix=".dai_spark-env-", dir=str(output.parent)) as folder:
        root = Path(folder) / "environment"
        root.mkdir()
        prepared = way.prepare(root, on_message)
        executable, _ = fill(root, prepared, wanted, way, export, sources, on_message)
        if target_glibc is not None:
            newer = newer_than(root, target_glibc)
            _check_target(newest_glibc(root), target_glibc, output, newer)
        on_message("compiling sources")
        compile_sources(root, executable)
        how = f"{way.how}; packages of {wanted.source} were installed with uv."
        manifest = describe_prefix(root, executable, wanted, way, how=how, inputs=inputs)
        write_archive(root, manifest, output, on_message)
    built = PackedEnvironment(output)
    on_message(f"{output} is ready ({built.size_bytes / 1e6:,.0f} MB)")
    return built


def check_builder() -> None:
    """Refuse a machine that no environment can be built on."""
    if platform.system() != "Linux":
        raise EnvironmentBuildError(
            f"Environments are built on Linux, and this machine is {platform.system()}; "
            "Driverless AI's wheels exist for linux-x86_64 only."
        )


def _way(
    wanted: Wanted,
    python: Optional[str],
    offline: Optional[OfflineFolder],
    conda: Conda,
    on_message: Callable[[str], None],
) -> Way:
    if offline is None:
        return networked_way(wanted, python, conda, on_message)
    if offline.conda_lock.exists():
        lock = offline.conda_lock.read_text(encoding="utf-8")
        return CondaPython(wanted, [offline.conda.as_uri()], lock, on_message)
    return CarriedPython(offline, wanted.python)


def networked_way(
    wanted: Wanted, python: Optional[str], conda: Conda, on_message: Callable[[str], None]
) -> Way:
    """Take a Python of channels where there are some, else one of this machine."""
    if not conda.channels:
        return FoundPython(find_interpreter(wanted.python, given=python, on_message=on_message))
    if python is not None:
        raise OptionError("Channels bring their Python: leave out either --python or --channel.")
    way = CondaPython(wanted, conda.channels, conda.read_lock(), on_message)
    if conda.write_lock is not None:
        conda.write_lock.write_text(way.lock, encoding="utf-8")
        on_message(f"{conda.write_lock} has the {len(way.records)} conda packages")
    return way


def describe_prefix(
    root: Path, executable: Path, wanted: Wanted, way: Way, *, how: str, inputs: str
) -> EnvironmentManifest:
    """State what a prefix holds that is ready to be packed."""
    paths = list_files(root)
    return EnvironmentManifest(
        python=way.version,
        platform=f"linux-{platform.machine()}",
        interpreter=f"bin/{executable.name}",
        dai_line=wanted.dai_line,
        core_version=wanted.core_version,
        glibc=newest_glibc(root),
        built_from=way.built_from,
        how=how,
        packages=installed_packages(root),
        unpacked_bytes=sum(p.stat().st_size for p in paths if not p.is_symlink()),
        n_files=len(paths),
        inputs=inputs,
    )


def _check_target(
    needed: Optional[str], target: Optional[str], output: Path, newer: Dict[str, str]
) -> None:
    if needed is None or target is None or Version(needed) <= Version(target):
        return
    raise EnvironmentBuildError(
        f"{output.name} needs the GNU C library {needed} or later, and one for {target} was asked "
        f"for ({len(newer) or 'some'} of its files are newer); build on a Linux as old as the "
        "executors', or with a Python made for old ones (`uv python install`, then --python).",
        details="\n".join(f"{path} needs {version}" for path, version in sorted(newer.items())),
    )


def _inputs(wanted: Wanted, way: Way) -> str:
    # Wheels by name: all exports of one Driverless AI version bring the same, and hashing a
    # gigabyte would take longer than recognising that nothing is to be done.
    listed = [_BUILDER, way.version, platform.machine(), wanted._replace(notes=()), *way.identity]
    return hashlib.sha256(json.dumps(listed).encode("utf-8")).hexdigest()


def _ready(output: Path, inputs: str) -> Optional[PackedEnvironment]:
    if not output.exists():
        return None
    try:
        found = PackedEnvironment(output)
    except PackedEnvironmentError:
        return None
    return found if found.manifest.inputs == inputs else None


def fill(
    root: Path,
    python: Path,
    wanted: Wanted,
    way: Way,
    export: Optional[ScoringPipeline],
    sources: Sources,
    on_message: Callable[[str], None],
) -> Tuple[Path, Set[str]]:
    """Install into a prepared Python; all then lies at `root`.

    Returns
    -------
    executable : Path
        That at `root`.
    bundled : set of str
        Libraries that came from elsewhere, since nothing that was installed has them.
    """
    with export_wheels(wanted, export, root.parent) as local:
        install_packages(
            python,
            requirements=[*wanted.lines, *local],
            overrides=[*wanted.overrides, *local],
            sources=sources,
            on_message=on_message,
        )
    executable = way.settle(root, on_message)
    rename_tensorflow(root, wanted.wheels, on_message)
    tidy_packages(root, executable.name, way.home)
    own = _libraries(root)
    for sentence in bundle_libraries(root, origin=way.libraries, on_message=on_message):
        on_message(sentence)
    return executable, _libraries(root) - own


def _libraries(root: Path) -> Set[str]:
    return {path.name for path in (root / "lib").glob("*.so*")}


@contextlib.contextmanager
def export_wheels(
    wanted: Wanted, export: Optional[ScoringPipeline], folder: Path
) -> Iterator[List[str]]:
    """Wheels of the export as requirements, ``name @ file:///...``, as long as that lasts."""
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=str(folder)) as wheels:
        local = []
        for member in wanted.wheels:
            assert export is not None
            wheel = export.extract_member(member, Path(wheels))
            local.append(f"{wheel.name.split('-')[0]} @ {wheel.as_uri()}")
        yield local
