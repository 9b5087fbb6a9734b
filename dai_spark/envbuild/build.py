"""Builds a packed environment: takes a Python, installs packages, bundles libraries, packs."""

import hashlib
import json
import platform
import re
import tempfile
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence, Tuple, Union
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.assemble import (
    check_build_machine,
    describe_prefix,
    install_prefix,
    online_python_source,
    read_requirements,
)
from dai_spark.envbuild.offline.offline_folder import OfflineFolder, OfflinePython
from dai_spark.envbuild.packages.package_sources import NETWORK, PackageSources
from dai_spark.envbuild.packages.requirements import RequirementSet
from dai_spark.envbuild.packages.selection import AS_LISTED, Choice
from dai_spark.envbuild.prefix.pack import compression_of, write_archive
from dai_spark.envbuild.prefix.prune import compile_sources
from dai_spark.envbuild.prefix.shared_libraries import needing_newer_glibc, newest_glibc
from dai_spark.envbuild.python.conda_python import NO_CONDA, CondaOptions, CondaPython
from dai_spark.envbuild.python.python_source import PythonSource
from dai_spark.errors import EnvironmentBuildError, OptionError, PackedEnvironmentError
from dai_spark.host.digest import file_digest

__all__ = ["build_environment", "build_from_requirements"]

# Counted up whenever the same inputs give another archive.
_BUILDER_VERSION = 2


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
    conda = CondaOptions.of(channels, lock, write_lock)
    sources = PackageSources.of(find_links)
    folder = OfflineFolder(Path(offline)) if offline is not None else None
    if folder is not None:
        if python is not None or conda != NO_CONDA or find_links:
            raise OptionError(
                "An offline folder brings its Python and all packages: leave it out, or --python, "
                "--channel and --find-links."
            )
        contents = folder.verify(on_message)
        sources = PackageSources(offline_wheels=folder.wheels)
    requirements, export = read_requirements(reference, dai, choice, sources)
    if folder is not None and contents.source != requirements.source:
        on_message(f"it was collected for {contents.source}, not for {requirements.source}")
    return build_from_requirements(
        output,
        requirements,
        export=export,
        python=python,
        offline=folder,
        conda=conda,
        sources=sources,
        target_glibc=target_glibc,
        on_message=on_message,
    )


def build_from_requirements(
    output: Union[str, Path],
    requirements: RequirementSet,
    *,
    export: Optional[ScoringPipeline] = None,
    python: Optional[str] = None,
    offline: Optional[OfflineFolder] = None,
    conda: CondaOptions = NO_CONDA,
    sources: PackageSources = NETWORK,
    target_glibc: Optional[str] = None,
    on_message: Callable[[str], None],
) -> PackedEnvironment:
    """Build an environment from requirements that were read before.

    Parameters
    ----------
    output : str or Path
        Archive to write.
    requirements : RequirementSet
        What to install, and into which Python.
    export : ScoringPipeline, optional
        The export that holds the wheels of `requirements`.
    python : str, optional
        Path of the Python to pack; by default one is looked for.
    offline : OfflineFolder, optional
        Folder that brings the Python; it was verified.
    conda : CondaOptions, optional
        Channels that give the Python, and locks.
    sources : PackageSources, optional
        Where packages come from.
    target_glibc : str, optional
        Oldest GNU C library that the archive must run on.
    on_message : callable
        Gets a sentence at each step.

    Returns
    -------
    PackedEnvironment

    Raises
    ------
    OptionError, EnvironmentBuildError
        See `build_environment`.
    """
    if target_glibc is not None and not re.fullmatch(r"\d+(\.\d+)+", target_glibc):
        raise OptionError(
            f"target_glibc={target_glibc!r} is no version; give the C library of the executors, "
            "such as 2.28 (`ldd --version` there tells it)."
        )
    output = Path(output).expanduser().absolute()
    compression_of(output)
    check_build_machine()
    if not output.parent.is_dir():
        raise EnvironmentBuildError(f"The folder {output.parent} does not exist; make it first.")
    python_source = _python_source(requirements, python, offline, conda, on_message)
    inputs = _inputs_digest(requirements, python_source)
    for line in requirements.table():
        on_message(line)
    same = _archive_of_the_same_inputs(output, inputs)
    if same is not None:
        _check_target_glibc(same.manifest.glibc, target_glibc, output, {})
        on_message(f"{output.name} was built from the same inputs before and is taken as it is")
        return same
    # Beside the output: the same disk that has to hold the archive.
    with tempfile.TemporaryDirectory(prefix=".dai_spark-env-", dir=str(output.parent)) as folder:
        root = Path(folder) / "environment"
        root.mkdir()
        prepared = python_source.prepare(root, on_message)
        # Packages can only raise what the Python itself needs.
        _check_prefix_glibc(root, target_glibc, output)
        executable, _ = install_prefix(
            root, prepared, requirements, python_source, export, sources, on_message
        )
        _check_prefix_glibc(root, target_glibc, output)
        on_message("compiling sources")
        compile_sources(root, executable)
        how = f"{python_source.how}; packages of {requirements.source} were installed with uv."
        manifest = describe_prefix(
            root, executable, requirements, python_source, how=how, inputs=inputs
        )
        write_archive(root, manifest, output, on_message)
    built = PackedEnvironment(output)
    on_message(f"{output} is ready ({built.size_bytes / 1e6:,.0f} MB)")
    return built


def _python_source(
    requirements: RequirementSet,
    python: Optional[str],
    offline: Optional[OfflineFolder],
    conda: CondaOptions,
    on_message: Callable[[str], None],
) -> PythonSource:
    if offline is None:
        return online_python_source(requirements, python, conda, on_message)
    if offline.conda_lock.exists():
        lock = offline.conda_lock.read_text(encoding="utf-8")
        return CondaPython(requirements, [offline.conda.as_uri()], lock, on_message)
    return OfflinePython(offline, requirements.python)


def _inputs_digest(requirements: RequirementSet, python_source: PythonSource) -> str:
    # Wheels by name: all exports of one Driverless AI version bring the same, and hashing a
    # gigabyte would take longer than recognising that nothing is to be done.
    inputs = [
        _BUILDER_VERSION,
        python_source.version,
        platform.machine(),
        requirements._replace(
            notes=(),
            lines=_by_content(requirements.lines),
            overrides=_by_content(requirements.overrides),
        ),
        *python_source.identity,
    ]
    return hashlib.sha256(json.dumps(inputs).encode("utf-8")).hexdigest()


def _by_content(lines: Sequence[str]) -> Tuple[str, ...]:
    """Requirements, with a wheel's name and digest in place of its path on this machine."""
    found = []
    for line in lines:
        name, _, address = line.partition(" @ ")
        path = Path(unquote(urlsplit(address).path)) if address.startswith("file:") else None
        is_here = path is not None and path.is_file()
        found.append(f"{name} @ {path.name} {file_digest(path)}" if path and is_here else line)
    return tuple(found)


def _archive_of_the_same_inputs(output: Path, inputs: str) -> Optional[PackedEnvironment]:
    if not output.exists():
        return None
    try:
        found = PackedEnvironment(output)
    except PackedEnvironmentError:
        return None
    return found if found.manifest.inputs == inputs else None


def _check_prefix_glibc(root: Path, target: Optional[str], output: Path) -> None:
    if target is not None:
        newer = needing_newer_glibc(root, target)
        _check_target_glibc(newest_glibc(root), target, output, newer)


def _check_target_glibc(
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
