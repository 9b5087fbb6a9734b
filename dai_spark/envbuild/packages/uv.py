"""Installs packages into the copied Python with uv."""

import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from dai_spark.envbuild.packages.package_sources import NETWORK, Sources
from dai_spark.errors import EnvironmentBuildError

__all__ = ["find_uv", "install_packages", "is_offered", "resolve_packages", "run_uv"]

_INSTALL_LIMIT_S = 3600


def find_uv() -> str:
    """Return the path of uv: that of the Python package, else the one on PATH.

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
    sources: Sources = NETWORK,
    on_message: Callable[[str], None],
) -> List[str]:
    """Ask uv what it would install into a Python; ``name==version`` each.  See `install_packages`.

    What is installed there already, and fits, is not among them.
    """
    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        command = _command(python, folder, requirements, overrides, sources)
        on_message(f"resolving {len(requirements)} requirements with uv")
        return _resolved(run_uv([*command, "--dry-run"], folder, sources))


def is_offered(requirement: str, python: str, sources: Sources = NETWORK) -> bool:
    """Whether uv finds a requirement, what it needs itself apart, for a Python such as ``"3.8"``.

    Raises
    ------
    EnvironmentBuildError
        A source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
        wanted = Path(folder) / "requirements.in"
        wanted.write_text(f"{requirement}\n", encoding="utf-8")
        # Any Python will do to ask with; without one, uv tries those that it finds.
        command = [find_uv(), "pip", "compile", "--python", sys.executable]
        command += ["--python-version", python, "--no-deps", "--no-progress", str(wanted)]
        try:
            run_uv([*command, *_alone(sources, folder)], folder, sources)
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
    sources: Sources = NETWORK,
    on_message: Callable[[str], None],
) -> None:
    """Install requirements into the Python that lies at `python`.

    Indexes, proxies and credentials are uv's own matter: its environment variables and
    configuration files apply (``UV_INDEX_URL``, ``UV_FIND_LINKS``, ...), unless `sources` is what
    was carried here.

    Parameters
    ----------
    requirements : sequence of str
        Requirement lines, wheels as ``name @ file:///...``.
    overrides : sequence of str
        Pins that overrule what packages declare of each other.
    sources : Sources

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
            if sources.carried is None:
                raise
            raise EnvironmentBuildError(
                f"{sources.carried.parent} does not hold all that is wanted: "
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
    sources: Sources,
) -> List[str]:
    """The command that installs; what it reads is written to `folder`, where it has to run."""
    if sources.carried is not None:
        requirements, overrides = _unlinked(requirements), _unlinked(overrides)
    wanted = Path(folder) / "requirements.txt"
    wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [find_uv(), "pip", "install", "--python", str(python)]
    # uv links files from its cache by default; ours are changed afterwards, in place.
    command += ["--link-mode", "copy", "--no-progress", "--break-system-packages"]
    command += ["--requirements", str(wanted)]
    if overrides:
        overruling = Path(folder) / "overrides.txt"
        overruling.write_text("\n".join(overrides) + "\n", encoding="utf-8")
        command += ["--overrides", str(overruling)]
    return [*command, *_alone(sources, folder)]


def _alone(sources: Sources, folder: str) -> List[str]:
    """Options that keep uv to what was carried here, where something was."""
    if sources.carried is None:
        return []
    # Instead of the configuration of the user and the system.
    settings = ["--config-file", str(Path(folder) / "uv.toml")]
    carried = ["--no-index", "--find-links", str(sources.carried)]
    return ["--offline", "--no-cache", *carried, *settings]


def _unlinked(requirements: Sequence[str]) -> List[str]:
    """Requirements with the name alone where they name an address of the network."""
    return [re.sub(r"^(\S+) @ (?!file:)\S+", r"\1", line) for line in requirements]


def run_uv(command: Sequence[str], folder: str, sources: Sources = NETWORK) -> str:
    """Run uv in `folder`, and return what it said."""
    # Of the folder that uv runs in, beside the configuration of the user and the system.
    settings = Path(folder) / "uv.toml"
    settings.write_bytes(pkgutil.get_data("dai_spark.envbuild", "specs/uv.toml") or b"")
    try:
        done = subprocess.run(
            command,
            env=_environment(sources),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentBuildError(
            f"uv did not finish installing within {_INSTALL_LIMIT_S} s; "
            "see whether the package index answers."
        ) from error
    if done.returncode != 0:
        raise EnvironmentBuildError(
            f"uv could not install the packages of the environment: {_reason(done.stderr)}",
            details=done.stderr,
        )
    return done.stderr


def _resolved(said: str) -> List[str]:
    """The packages that uv would install, as it lists them: a line each, ``+ name==version``."""
    return re.findall(r"^ *\+ (\S+)", said, re.MULTILINE)


def _reason(said: str) -> str:
    """What uv names as error and as its cause, in one line."""
    lines = [line.strip() for line in said.splitlines()]
    named = [line for line in lines if re.match(r"(error|cause): ", line)]
    words = [line.partition(": ")[2] for line in named[:2]] or [line for line in lines if line][-1:]
    return " ".join(words) or "it said nothing."


def _environment(sources: Sources) -> Dict[str, str]:
    """The caller's variables but what is of its own Python, and uv's where wheels are carried."""
    # Variables of the caller's own Python would reach the builds that uv starts.
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "CONDA_PREFIX"}
    alone = sources.carried is not None
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not (alone and name.startswith("UV_"))
    }
    # Not on the command line, which everybody on the machine can read.
    links = [*sources.find_links, *filter(None, [kept.get("UV_FIND_LINKS")])]
    if links:
        kept["UV_FIND_LINKS"] = ",".join(links)
    # Debian's own Pythons would install below local/, away from the Python and its scripts.
    return {**kept, "DEB_PYTHON_INSTALL_LAYOUT": "deb"}
