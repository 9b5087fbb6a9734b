"""Runs lanes of the matrix, one after the other: ``make test-matrix``.

Each lane has a fresh environment and scores one table of flights in every way that it has; the bits
are compared with what the pipeline itself says.  What came of it is written below `build/matrix/`;
``--record`` writes it into `tests/matrix/results.json` and makes docs/matrix.md of that, too.

The exit code is 1 where a score is wrong or an environment cannot be made.  Where a registry gives
no answer nothing is known of a lane: that is said, and is no failure.
"""

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import lakehouse  # noqa: E402
from matrix import page, right_scores  # noqa: E402
from matrix.environments import (  # noqa: E402
    BUILD,
    InstallError,
    RegistryError,
    failure,
    make_environment,
    own_wheel,
)
from matrix.lanes import Lane, chosen, of_day  # noqa: E402

from dai_spark.errors import EnvironmentBuildError  # noqa: E402

PROGRAMS = ROOT / "tests" / "matrix" / "programs"
# A lane has one or two programs and takes less than three minutes in all, if nothing disturbs it.
LIMIT_S = 300
RIGHT, NOT_TRIED = "right", "not tried"
INHERITED = ("PATH", "JAVA_HOME", "LANG", "HOME")


def main() -> int:
    """Run the lanes that the command line names; the exit code is 1 where one went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lanes", nargs="*", help="names of lanes; all where none is given")
    parser.add_argument("--today", action="store_true", help="the two lanes whose turn it is")
    parser.add_argument("--record", action="store_true", help="keep the results, write the page")
    words = parser.parse_args()
    lanes = of_day(datetime.date.today()) if words.today else chosen(words.lanes)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        wheel = own_wheel(Path(folder))
        for lane in lanes:
            result = run_lane(lane, wheel)
            results.append(result)
            (BUILD / f"{lane.name}.json").write_text(page.as_text(result), encoding="utf-8")
            print(told(result), flush=True)
            if words.record and result["outcome"] != NOT_TRIED:
                page.record(result)
    return 0 if all(result["outcome"] in (RIGHT, NOT_TRIED) for result in results) else 1


def told(result: Dict[str, Any]) -> str:
    """A line of a lane's result, and one for each way that is not right."""
    counted = f"{len(result['ways'])} ways, {result['seconds']} s"
    made = f"environment {result['install_seconds']} s"
    lines = [f"{result['lane']:<36}{result['outcome']}  {counted}, {made}"]
    if result["why"]:
        lines.append(f"    {result['why']}")
    ways = result["ways"].items()
    lines += [f"    {way}: {found}" for way, found in ways if found != RIGHT]
    return "\n".join(lines)


def run_lane(lane: Lane, wheel: Path) -> Dict[str, Any]:
    """Make a lane's environment and score in it.

    Returns
    -------
    dict
        `lane`, `date`, `settings`, `pipeline` (the versions that gave the right scores),
        `versions`, `install_seconds`, `seconds` (of the scoring) and the `parts` of that, `ways`
        and what each gave, `why` where there are none, and `outcome`: ``"right"``, ``"wrong"``
        where a way gave anything else, ``"cannot be installed"``, or ``"not tried"`` where a
        registry gave no answer.
    """
    result: Dict[str, Any] = {
        "lane": lane.name,
        "date": datetime.date.today().isoformat(),
        "settings": lane.settings,
        "pipeline": {},
        "versions": {},
        "ways": {},
        "parts": {},
        "install_seconds": 0,
        "seconds": 0,
        "why": "",
    }
    begun = time.monotonic()
    try:
        python = make_environment(lane, wheel)
        right = right_scores.make(lane.dai)
        result["install_seconds"] = round(time.monotonic() - begun)
        result["pipeline"] = json.loads(Path(right["right"]).read_text("utf-8"))["made_by"]
        begun = time.monotonic()
        for name, api in programs(lane):
            found = _run_program(lane, python, name, {**right, "api": api})
            for part in ("versions", "ways", "parts"):
                result[part].update(found[part])
        result["seconds"] = round(time.monotonic() - begun)
    except EnvironmentBuildError as error:
        _end(result, failure(f"{error.text}\n{error.details}", 1))
    except (InstallError, RegistryError) as error:
        _end(result, error)
    else:
        is_right = all(found == RIGHT for found in result["ways"].values())
        result["outcome"] = RIGHT if is_right else "wrong"
    return result


def _end(result: Dict[str, Any], error: Exception) -> None:
    has_answer = not isinstance(error, RegistryError)
    result["outcome"] = "cannot be installed" if has_answer else NOT_TRIED
    result["why"] = str(error) if has_answer else f"a registry gave no answer: {error}"


def programs(lane: Lane) -> "List[Tuple[str, str]]":
    """What runs in a lane, each with the API that it uses."""
    if lane.spark is None:
        return [("without_spark.py", "none")]
    if lane.tables:
        return [("tables.py", "classic")]
    # The server of 3.5 is a jar apart, and Maven Central has none of 3.5.9.  The settings are those
    # of a classic session, whose workers a lane of them looks at.
    has_server = _release(lane) >= (4, 0) and not lane.settings
    return [("with_spark.py", api) for api in ("classic", *(["connect"] if has_server else []))]


def _release(lane: Lane) -> "tuple[int, ...]":
    return tuple(map(int, (lane.spark or "0").split(".")[:2]))


def _run_program(lane: Lane, python: Path, name: str, words: Dict[str, str]) -> Dict[str, Any]:
    log = BUILD / f"{lane.name}-{words['api']}.log"
    settings = dict(lane.settings)
    if lane.tables:
        # Below the lane's folder, so that each has its own.
        settings.update(lakehouse.settings(Path("lake"), lane.tables))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "findings.json"
        given = {
            **words,
            "settings": settings,
            "formats": [name for name in ("Delta", "Iceberg") if name.lower() in str(lane.tables)],
            # Said here, not asked of what is under test.
            "has_arrow_udfs": _release(lane) >= (4, 1),
            "tasks_read": "pyarrow==4.0.0" not in lane.pins,
            "out": str(out),
        }
        environment = {key: os.environ[key] for key in INHERITED if key in os.environ}
        environment.update(
            DAI_SPARK_CACHE=str(ROOT / "build" / "tests" / "cache"),
            PYSPARK_PYTHON=str(python),
            PYSPARK_DRIVER_PYTHON=str(python),
            SPARK_CONF_DIR=str(ROOT / "tests" / "cluster" / "programs" / "conf"),
            SPARK_LOCAL_DIRS=str(Path(folder) / "local"),
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_LOCAL_HOSTNAME="localhost",
        )
        code = _wait(
            [str(python), str(PROGRAMS / name), json.dumps(given)], folder, environment, log
        )
        if code == 0 and out.exists():
            found: Dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
            return found
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    # Ivy's words; where a repository has answered that it has no such jar, it says neither.
    if "Server access error" in said or "SERVER ERROR:" in said:
        raise RegistryError(f"jars of {', '.join(lane.tables)}; {log} has all that was said")
    why = f"ran into its limit of {LIMIT_S} s" if code is None else f"exit code {code}"
    last = " ".join(said.splitlines()[-3:])
    return {"versions": {}, "ways": {words["api"]: f"{why}: {last}"}, "parts": {}}


def _wait(command: List[str], folder: str, environment: Dict[str, str], log: Path) -> "int | None":
    """Run a program to its end; None where it was killed at the limit, with what it started."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
            return None


if __name__ == "__main__":
    sys.exit(main())
