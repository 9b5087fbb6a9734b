"""The environment of a lane, made by uv as a user would make it, with Spark from a wheel.

The index has Spark as source archives alone, of half a gigabyte.  A wheel of each is built once and
kept in build/; pip keeps it for the next clone on this machine, which uv would not: it fetches and
builds such an archive at each installation, and keeps all of them.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

from matrix import debian_python
from matrix.lanes import Lane

from dai_spark.envbuild.python.interpreter import describe, find_interpreter
from dai_spark.errors import EnvironmentBuildError

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "matrix"
WHEELS = BUILD / "wheels"
UV = str(ROOT / ".tools" / "bin" / "uv")
LIMIT_S = 600
# What uv, pip and apt say where nothing answers, or not as a registry does.  Where one has answered
# that it has no such package, or none that fits, they say none of it.
_NO_ANSWER = re.compile(
    r"[Ff]ailed to (fetch|download)|error sending request|dns error|[Cc]onnection (refused|reset)"
    r"|timed out|HTTP status server error|Could not resolve|Temporary failure"
    r"|Retrying \(Retry"
)


class InstallError(Exception):
    """An environment cannot be made; the text is the last that the tool said."""


class RegistryError(Exception):
    """A registry gave no answer, so that nothing can be said of a lane."""


def failure(said: str, code: int) -> Exception:
    """What a tool's failure is, by what it said.

    Returns
    -------
    RegistryError or InstallError
    """
    lines = said.strip().splitlines() or [f"exit code {code}"]
    text = " ".join(line.strip() for line in lines[-3:])
    if _NO_ANSWER.search(said) and "No space left on device" not in said:
        return RegistryError(text)
    return InstallError(text)


def own_wheel(folder: Path) -> Path:
    """Build the wheel of dai_spark as it stands here, of a copy: other builds leave files behind.

    Parameters
    ----------
    folder : Path
        Where it is to lie.
    """
    with tempfile.TemporaryDirectory() as copy:
        for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "dai_spark", Path(copy, "dai_spark"), ignore=ignored)
        # What builds it is in the developers' environment.
        how = ["--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder)]
        run([UV, "build", "--quiet", "--wheel", *how, copy])
    (wheel,) = folder.glob("dai_spark-*.whl")
    return wheel


def make_environment(lane: Lane, wheel: Path) -> Path:
    """Make a lane's environment anew, as a user would who types the install line.

    Returns
    -------
    Path
        Its Python.

    Raises
    ------
    InstallError, RegistryError
    """
    folder = BUILD / "environments" / lane.name
    base = _base_python(lane.python)
    run([UV, "venv", "--quiet", "--clear", "--python", str(base), str(folder)])
    python = folder / "bin" / "python"
    extras = ["testing"]
    wanted = list(lane.pins)
    install = [UV, "pip", "install", "--quiet", "--python", str(python)]
    if lane.spark is not None:
        extras.append("spark")
        wanted.append(f"pyspark[connect,sql]=={lane.spark}")
        # By itself, so that its half a gigabyte is not kept once more in uv's cache; and not by its
        # path, or uv would still look for it in the index.
        where = ["--no-index", "--find-links", str(_spark_wheel(lane.spark).parent)]
        run([*install, *where, "--no-deps", "--no-cache", f"pyspark=={lane.spark}"])
    wanted.append(f"dai_spark[{','.join(extras)}] @ {wheel.as_uri()}")
    run([*install, *wanted])
    return python


def _spark_wheel(version: str) -> Path:
    found = list(WHEELS.glob(f"pyspark-{version}-*.whl"))
    if not found:
        pip = [str(ROOT / ".tools" / "bin" / "python"), "-m", "pip", "wheel", "--quiet"]
        # Its jars are compressed already; to do so once more takes half of the time.
        how = ["--config-settings=--build-option=--compression=stored", "--no-deps"]
        with tempfile.TemporaryDirectory() as folder:
            run([*pip, *how, "--wheel-dir", folder, f"pyspark=={version}"])
            (built,) = Path(folder).glob("*.whl")
            WHEELS.mkdir(parents=True, exist_ok=True)
            shutil.move(str(built), WHEELS / built.name)
        found = list(WHEELS.glob(f"pyspark-{version}-*.whl"))
    return found[0]


def _base_python(minor: str) -> Path:
    folder = (BUILD / f"python-{minor}").resolve()
    # One that was moved does not start, since its paths are written into it.
    there = describe(debian_python.executable(folder, minor))
    if there is not None:
        return there.executable
    try:
        return find_interpreter(minor, on_message=print).executable
    except EnvironmentBuildError as error:
        if minor not in debian_python.MINORS:
            raise InstallError(error.text) from error
        try:
            return debian_python.unpack(folder, minor, run)
        except LookupError as other:
            raise InstallError(f"{error.text} {other}") from other


def run(command: List[str], folder: Path = ROOT) -> None:
    """Run a tool to its end.

    Raises
    ------
    InstallError, RegistryError
        It failed, or had no end within the limit: then a registry is slow.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RegistryError(f"{Path(command[0]).name} had no end in {LIMIT_S} s") from error
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise failure(done.stdout, done.returncode)
