"""The environment of a lane: made by uv, with Spark from a wheel that is built once."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

from matrix.lanes import Lane

from dai_spark.envbuild.python.interpreter import find_interpreter
from dai_spark.errors import EnvironmentBuildError

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "matrix"
WHEELS = BUILD / "wheels"
UV = str(ROOT / ".tools" / "bin" / "uv")
LIMIT_S = 900


class InstallError(Exception):
    """An environment cannot be made; the text is the last that the tool said."""


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
        _run([UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), copy])
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
    InstallError
    """
    folder = BUILD / "environments" / lane.name
    try:
        found = find_interpreter(lane.python, on_message=print)
    except EnvironmentBuildError as error:
        raise InstallError(error.text) from error
    _run([UV, "venv", "--quiet", "--clear", "--python", str(found.executable), str(folder)])
    python = folder / "bin" / "python"
    extras = ["testing"]
    wanted = list(lane.pins)
    if lane.spark is not None:
        extras.append("spark")
        # By its path, so that no resolver looks for another.
        wanted.append(f"pyspark[connect,sql] @ {_spark_wheel(lane.spark).as_uri()}")
    wanted.append(f"dai_spark[{','.join(extras)}] @ {wheel.as_uri()}")
    _run([UV, "pip", "install", "--quiet", "--python", str(python), *wanted])
    return python


def _spark_wheel(version: str) -> Path:
    """The wheel of a Spark; the index has source archives alone, half a gigabyte each."""
    found = list(WHEELS.glob(f"pyspark-{version}-*.whl"))
    if not found:
        WHEELS.mkdir(parents=True, exist_ok=True)
        pip = [str(ROOT / ".tools" / "bin" / "python"), "-m", "pip", "wheel", "--quiet"]
        _run([*pip, "--no-deps", "--wheel-dir", str(WHEELS), f"pyspark=={version}"])
        found = list(WHEELS.glob(f"pyspark-{version}-*.whl"))
    return found[0]


def _run(command: List[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        lines = done.stdout.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InstallError(" ".join(line.strip() for line in lines[-3:]))
