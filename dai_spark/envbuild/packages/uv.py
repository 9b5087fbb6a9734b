"""Runs uv: resolves requirements, and installs them into a Python."""

import os
import pkgutil
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from dai_spark.envbuild.packages.package_sources import NETWORK, PackageSources
from dai_spark.envbuild.tool_run import run_tool
from dai_spark.errors import EnvironmentBuildError

__all__ = ["find_uv", "install_packages", "is_offered", "resolve_packages", "run_uv"]

_LIMIT_S = 3600


def find_uv() -> str:
    """Find uv: that of the Python package, else the one on PATH.

    Returns
    -------
    str
        Its path.

    Raises
    ------
    EnvironmentBuildError
        There is none.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
        if found is None:
            raise EnvironmentBuildError(
                "uv, which installs the packages of an environment, is not here; "
                "install it with `pip install 'dai_spark[env]'`."
            ) from None
        return found


def resolve_packages(
    python: Path,
    *,
    requirements: Sequence[str],
    overrides: Sequence[str],
    sources: PackageSources = NETWORK,
    on_message: Callable[[str], None],
) -> List[str]:
    """Ask uv which packages it would install into a Python.

    Parameters
    ----------
    python : Path
        Executable of that Python.
    requirements : sequence of str
        Requirement lines, wheels as ``name @ file:///...``.
    overrides : sequence of str
        Pins that overrule what packages declare of each other.
    sources : PackageSources, optional
        Where the packages come from.
    on_message : callable
        Gets a sentence.

    Returns
    -------
    list of str
        ``name==version`` for each package that is not installed there already.

    Raises
    ------
    EnvironmentBuildError
        uv could not resolve them; details hold its own words.
    """
    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        command = _command(python, folder, requirements, overrides, sources)
        on_message(f"resolving {len(requirements)} requirements with uv")
        return _resolved(run_uv([*command, "--dry-run"], folder, sources))


def is_offered(requirement: str, python: str, sources: PackageSources = NETWORK) -> bool:
    """Whether uv finds a requirement; what it depends on is not looked for.

    Parameters
    ----------
    requirement : str
        The requirement, ``"torch==1.13.1+cpu"``.
    python : str
        Minor version of the Python that it is for, ``"3.8"``.
    sources : PackageSources, optional
        Where it is looked for.

    Returns
    -------
    bool

    Raises
    ------
    EnvironmentBuildError
        A source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        listing = Path(folder) / "requirements.in"
        listing.write_text(f"{requirement}\n", encoding="utf-8")
        # Any Python will do to ask with; without one, uv tries those that it finds.
        command = [find_uv(), "pip", "compile", "--python", sys.executable]
        command += ["--python-version", python, "--no-deps", "--no-progress", str(listing)]
        try:
            run_uv([*command, *_offline_options(sources, folder)], folder, sources)
        except EnvironmentBuildError as error:
            if "No solution found" in error.details:
                return False
            raise
        return True


def install_packages(
    python: Path,
    *,
    requirements: Sequence[str],
    overrides: Sequence[str],
    sources: PackageSources = NETWORK,
    on_message: Callable[[str], None],
) -> None:
    """Install requirements into the Python that lies at `python`.

    Indexes, proxies and credentials are uv's own matter: its environment variables and
    configuration files apply (``UV_INDEX_URL``, ``UV_FIND_LINKS``, ...), unless `sources` names an
    offline folder.

    Parameters
    ----------
    python : Path
        Executable of that Python.
    requirements : sequence of str
        Requirement lines, wheels as ``name @ file:///...``.
    overrides : sequence of str
        Pins that overrule what packages declare of each other.
    sources : PackageSources, optional
        Where the packages come from.
    on_message : callable
        Gets a sentence at each step.

    Raises
    ------
    EnvironmentBuildError
        uv could not resolve, download, build or install them; details hold its own words.
    """
    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        command = _command(python, folder, requirements, overrides, sources)
        on_message(f"resolving {len(requirements)} requirements with uv")
        try:
            resolved = _resolved(run_uv([*command, "--dry-run"], folder, sources))
        except EnvironmentBuildError as error:
            if sources.offline_wheels is None:
                raise
            raise EnvironmentBuildError(
                f"{sources.offline_wheels.parent} does not hold all that is wanted: "
                f"{_reason(error.details)} Collect it again with `dai-spark env download` and the "
                "same options.",
                details=error.details,
            ) from error
        on_message(f"installing {len(resolved)} packages: {', '.join(resolved)}")
        run_uv(command, folder, sources)


def _command(
    python: Path,
    folder: str,
    requirements: Sequence[str],
    overrides: Sequence[str],
    sources: PackageSources,
) -> List[str]:
    """Make the command that installs; its input files are written to `folder`, where it runs."""
    if sources.offline_wheels is not None:
        requirements, overrides = _without_addresses(requirements), _without_addresses(overrides)
    listing = Path(folder) / "requirements.txt"
    listing.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [find_uv(), "pip", "install", "--python", str(python)]
    # uv links files from its cache by default; ours are changed afterwards, in place.
    command += ["--link-mode", "copy", "--no-progress", "--break-system-packages"]
    command += ["--requirements", str(listing)]
    if overrides:
        overruling = Path(folder) / "overrides.txt"
        overruling.write_text("\n".join(overrides) + "\n", encoding="utf-8")
        command += ["--overrides", str(overruling)]
    return [*command, *_offline_options(sources, folder)]


def _offline_options(sources: PackageSources, folder: str) -> List[str]:
    """Make the options that keep uv to the offline folder; none without such a folder."""
    if sources.offline_wheels is None:
        return []
    # Instead of the configuration of the user and the system.
    settings = ["--config-file", str(Path(folder) / "uv.toml")]
    wheels = ["--no-index", "--find-links", str(sources.offline_wheels)]
    return ["--offline", "--no-cache", *wheels, *settings]


def _without_addresses(requirements: Sequence[str]) -> List[str]:
    """Keep the name alone of requirements that name an address of the network."""
    return [re.sub(r"^(\S+) @ (?!file:)\S+", r"\1", line) for line in requirements]


def run_uv(command: Sequence[str], folder: str, sources: PackageSources = NETWORK) -> str:
    """Run uv in a folder.

    Parameters
    ----------
    command : sequence of str
        uv and its arguments.
    folder : str
        Folder that uv runs in.
    sources : PackageSources, optional
        Where packages come from.

    Returns
    -------
    str
        What uv wrote to standard error.

    Raises
    ------
    EnvironmentBuildError
        uv failed, or did not end within an hour; details hold its own words.
    """
    # uv reads the settings of its folder beside those of the user and of the system.
    settings = Path(folder) / "uv.toml"
    settings.write_bytes(pkgutil.get_data("dai_spark.envbuild", "specs/uv.toml") or b"")
    done = run_tool(
        command,
        env=_environment(sources),
        cwd=folder,
        limit_s=_LIMIT_S,
        late="uv did not finish installing within {limit_s} s; "
        "see whether the package index answers.",
    )
    if done.returncode != 0:
        raise EnvironmentBuildError(
            f"uv could not install the packages of the environment: {_reason(done.stderr)}",
            details=done.stderr,
        )
    return done.stderr


def _resolved(said: str) -> List[str]:
    """Read the packages that uv would install: a line each, ``+ name==version``."""
    return re.findall(r"^ *\+ (\S+)", said, re.MULTILINE)


def _reason(said: str) -> str:
    """Read what uv names as error and as its cause, in one line."""
    lines = [line.strip() for line in said.splitlines()]
    named = [line for line in lines if re.match(r"(error|cause): ", line)]
    words = [line.partition(": ")[2] for line in named[:2]] or [line for line in lines if line][-1:]
    return " ".join(words) or "it said nothing."


def _environment(sources: PackageSources) -> Dict[str, str]:
    """Make the environment variables that uv gets.

    Variables of the caller's Python would reach the builds that uv starts; uv's own would reach
    other places than the offline folder.
    """
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "CONDA_PREFIX"}
    is_offline = sources.offline_wheels is not None
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not (is_offline and name.startswith("UV_"))
    }
    # Not on the command line, which everybody on the machine can read.
    links = [*sources.find_links, *filter(None, [kept.get("UV_FIND_LINKS")])]
    if links:
        kept["UV_FIND_LINKS"] = ",".join(links)
    # Debian's own Pythons would install below local/, away from the Python and its scripts.
    return {**kept, "DEB_PYTHON_INSTALL_LAYOUT": "deb"}
