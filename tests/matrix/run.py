"""Runs lanes of the matrix, one after the other: ``make test-matrix``.

Each lane has a fresh environment and scores one table of flights in every way that it has; the bits
are compared with what the pipeline itself says.  What came of it is written below `build/matrix/`;
``--record`` writes it into `tests/matrix/results.json` and makes docs/matrix.md of that, too.
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
from typing import Any, Dict, List

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from matrix import page, right_scores  # noqa: E402
from matrix.environments import BUILD, InstallError, make_environment, own_wheel  # noqa: E402
from matrix.lanes import Lane, chosen, of_day  # noqa: E402

PROGRAMS = ROOT / "tests" / "matrix" / "programs"
# A lane takes less than three minutes on a machine that has nothing else to do.
LIMIT_S = 600
INHERITED = ("PATH", "JAVA_HOME", "LANG", "HOME")


def main() -> int:
    """Run the lanes that the command line names; the exit code is 1 where one went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lanes", nargs="*", help="names of lanes; all where none is given")
    parser.add_argument("--today", action="store_true", help="the two lanes whose turn it is")
    parser.add_argument("--record", action="store_true", help="keep the results, write the page")
    words = parser.parse_args()
    lanes = of_day(datetime.date.today()) if words.today else chosen(words.lanes)
    right = right_scores.make()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        wheel = own_wheel(Path(folder))
        for lane in lanes:
            result = run_lane(lane, wheel, right)
            results.append(result)
            (BUILD / f"{lane.name}.json").write_text(page.as_text(result), encoding="utf-8")
            told = f"{result['outcome']}  {len(result['ways'])} ways, {result['seconds']} s"
            print(f"{lane.name:<36}{told}", flush=True)
            if words.record:
                page.record(result)
    return 0 if all(result["outcome"] == "right" for result in results) else 1


def run_lane(lane: Lane, wheel: Path, right: Dict[str, str]) -> Dict[str, Any]:
    """Make a lane's environment and score in it.

    Returns
    -------
    dict
        `lane`, `date`, `versions`, `settings`, `install_seconds`, `seconds` (of the scoring),
        `ways` and `outcome`: ``"right"``, or ``"wrong"`` where a way gave anything else.
    """
    result: Dict[str, Any] = {
        "lane": lane.name,
        "date": datetime.date.today().isoformat(),
        "settings": lane.settings,
        "versions": {},
        "ways": {},
        "seconds": 0,
    }
    begun = time.monotonic()
    try:
        python = make_environment(lane, wheel)
    except InstallError as error:
        result["ways"]["install"] = str(error)
    else:
        result["install_seconds"] = round(time.monotonic() - begun)
        begun = time.monotonic()
        # The settings are those of a classic session, whose workers a lane of them looks at.
        if lane.spark is None:
            programs = [("without_spark.py", "none")]
        else:
            # The server of 3.5 is a jar apart, and Maven Central has none of 3.5.9.
            has_server = _release(lane) >= (4, 0) and not lane.settings
            apis = ["classic", *(["connect"] if has_server else [])]
            programs = [("with_spark.py", api) for api in apis]
        for name, api in programs:
            found = _run_program(lane, python, name, {**right, "api": api})
            result["versions"].update(found["versions"])
            result["ways"].update(found["ways"])
        result["seconds"] = round(time.monotonic() - begun)
    is_right = all(told == "right" for told in result["ways"].values())
    result["outcome"] = "right" if is_right else "wrong"
    return result


def _release(lane: Lane) -> "tuple[int, ...]":
    return tuple(map(int, (lane.spark or "0").split(".")[:2]))


def _run_program(lane: Lane, python: Path, name: str, words: Dict[str, str]) -> Dict[str, Any]:
    log = BUILD / f"{lane.name}-{words['api']}.log"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "findings.json"
        given = {
            **words,
            "settings": lane.settings,
            # Said here, not asked of what is under test.
            "has_arrow_udfs": _release(lane) >= (4, 1),
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
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    why = f"ran into its limit of {LIMIT_S} s" if code is None else f"exit code {code}"
    return {"versions": {}, "ways": {words["api"]: f"{why}: {' '.join(last)}"}}


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
