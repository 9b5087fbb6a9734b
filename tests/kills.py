"""Kill the table job at random moments, over and over, and compare what is left with one go.

``python tests/kills.py --kind delta --kills 5 --victim driver``

A driver scores days of flights, a run a day, into a table; it is killed by SIGKILL at a random
moment of its work and started again, until it was killed so often; then it may finish, and the
table is compared, row by row and bit by bit, with what one undisturbed job writes.  With
``--victim executor`` the driver lives, and one of its two executors is killed every few seconds.
So for every way to write: each mode, each incremental kind.  Whenever all days are there before the
number is reached, another table is begun.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "tests" / "cluster" / "programs" / "daily.py"
KINDS = ("delta", "delta catalog", "iceberg", "parquet", "parquet catalog")
WAYS = (
    "append",
    "overwrite",
    "overwrite-partitions",
    "merge",
    "missing",
    "since",
    "changes",
    "stream append",
    "stream merge",
)
# They want a key, and a table that tells of its changes.
NOT_OF_FILES = ("merge", "changes", "stream merge")
LIMIT_S = 400
# Between the deaths of two executors, at most.
PAUSE_S = 12.0


def main():
    """Kill, start again, compare; exit status 1 where a row differs."""
    arguments = parsed()
    random.seed(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="dai_spark-kills-"))
    for line in all_ways(arguments, folder):
        print(json.dumps(line), flush=True)
    # Not after a difference, which its files may explain.
    shutil.rmtree(folder)


def parsed():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", choices=KINDS, default="delta")
    parser.add_argument("--way", choices=WAYS, nargs="+", help="default: all that the kind has")
    parser.add_argument("--kills", type=int, default=4, help="of each way")
    parser.add_argument("--victim", choices=("driver", "executor"), default="driver")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pipeline", type=absolute, default=str(ROOT / "build" / "flights-scorer.zip")
    )
    parser.add_argument("--env", type=absolute, default=str(ROOT / "build" / "dai-1.10.tar.zst"))
    parser.add_argument(
        "--license-file", type=absolute, default=str(ROOT / "build" / "license.txt")
    )
    arguments = parser.parse_args()
    if arguments.way is None:
        is_of_files = arguments.kind.startswith("parquet")
        arguments.way = [way for way in WAYS if not (is_of_files and way in NOT_OF_FILES)]
    return arguments


def absolute(path):
    """The drivers work in a folder of their own."""
    return str(Path(path).resolve())


def all_ways(arguments, folder):
    """Kill each way; one line for each."""
    days = list(range(1, arguments.days + 1))
    told = {
        "folder": str(folder),
        "kind": arguments.kind,
        "way": "fail",
        "master": "local[2]",
        "days": days,
        "source": f"parquet:{source(folder, days)}",
        "pipeline": arguments.pipeline,
        "env": arguments.env,
        "license_file": arguments.license_file,
    }
    finish(with_target({**told, "days": [days[-1]]}, folder, "in one go"))
    expected = rows_of(folder, "in one go")
    expected_of = dict.fromkeys(arguments.way, expected)
    if "changes" in arguments.way:
        told["changing"] = f"delta:{folder}/changing"
        finish(with_target({**told, "way": "changing"}, folder, "versions"))
        told["versions"] = json.loads((folder / "found" / "versions.json").read_text())
        one = {**told, "source": told["changing"], "days": [days[-1]]}
        finish(with_target(one, folder, "changed"))
        expected_of["changes"] = rows_of(folder, "changed")
    # From here on each driver has all days to do.
    told["master"] = "local[2]" if arguments.victim == "driver" else "local-cluster[2,1,900]"
    work_s = finish(with_target({**told, "way": "append"}, folder, "undisturbed"))
    compare(expected, rows_of(folder, "undisturbed"), "undisturbed")
    for way in arguments.way:
        told["way"] = way
        yield one_way(arguments, told, folder, expected_of[way], work_s)


def one_way(arguments, told, folder, expected, work_s):
    """All kills of one way; the line that tells of them."""
    begun = time.monotonic()
    n_kills = n_tables = 0
    at = []
    while n_kills < arguments.kills:
        n_tables += 1
        name = f"{told['way']} {n_tables}".replace(" ", "_").replace("-", "_")
        table = with_target(told, folder, name)
        is_done = False
        while not is_done and n_kills < arguments.kills:
            if arguments.victim == "driver":
                disturb = kill_driver_after(random.uniform(0, work_s))
            else:
                disturb = kill_executors(arguments.kills - n_kills)
            is_done, n_hits, days, worked_s = disturbed(table, disturb)
            if is_done and arguments.victim == "driver":
                n_hits = 0
            n_kills += n_hits
            if not n_hits:
                # It was slower when it was measured.
                work_s = min(work_s, worked_s)
            at.append(f"{worked_s:.0f} s, {days} days")
            print(f"{told['kind']} {told['way']}: {n_kills} kills, {at[-1]}", file=sys.stderr)
        if not is_done:
            finish(table)
        compare(expected, rows_of(folder, name), f"{told['kind']} {name}")
    return {
        "kind": told["kind"],
        "way": told["way"],
        "victim": arguments.victim,
        "kills": n_kills,
        "tables": n_tables,
        "rows": len(expected),
        "at": at,
        "took_s": round(time.monotonic() - begun),
    }


def source(folder, days):
    """Days of flights as Parquet, a file each."""
    from dai_spark.testing import flights_table

    table = flights_table().drop(columns=["late", "delay", "arrival"])
    path = folder / "source"
    path.mkdir()
    for day in days:
        rows = table[(table["day"] == day) & (table["month"] <= 3)]
        rows.to_parquet(path / f"day-{day}.parquet", index=False)
    return path


def with_target(told, folder, name):
    """What a driver is told for one table."""
    names = {
        "delta": f"delta:{folder}/tables/{name}",
        "parquet": f"parquet:{folder}/tables/{name}",
        "iceberg": f"ice.db.{name}".replace(" ", "_"),
    }
    target = names.get(told["kind"], name.replace(" ", "_"))
    return {**told, "target": target, "found": str(folder / "found" / name)}


def start(told):
    """A driver in a process group of its own."""
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }
    (Path(told["folder"]) / "found").mkdir(exist_ok=True)
    log = Path(told["folder"]) / "driver.log"
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(told)],
            cwd=told["folder"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            start_new_session=True,
        )


def finish(told):
    """Let a driver work to its end; the seconds from its session's start on."""
    driver = start(told)
    watchdog = threading.Timer(LIMIT_S, kill, [driver])
    watchdog.start()
    try:
        assert driver.stdout is not None
        first = driver.stdout.readline()
        begun = time.monotonic()
        out = first + driver.stdout.read()
        driver.wait()
    finally:
        watchdog.cancel()
    if driver.returncode != 0 or "all days are there" not in out:
        sys.exit(f"A driver failed (status {driver.returncode}): {out}\n{tail(told)}")
    return time.monotonic() - begun


def disturbed(told, disturb):
    """Start a driver and disturb it once its session is up: `disturb` gets it, gives its hits.

    Returns whether it had all days, how often it was hit, how many days it had done, and the
    seconds from its session's start until it was left alone.
    """
    driver = start(told)
    lines = []
    is_ready = threading.Event()

    def read():
        for line in driver.stdout:
            lines.append(line)
            is_ready.set()
        is_ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    is_ready.wait(LIMIT_S)
    begun = time.monotonic()
    n_hits = disturb(driver)
    worked_s = time.monotonic() - begun
    try:
        driver.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        kill(driver)
        sys.exit(f"A driver did not end within {LIMIT_S} s of its executor's death.")
    reader.join(10)
    is_done = any("all days are there" in line for line in lines)
    if driver.returncode not in (0, -signal.SIGKILL) and not is_done:
        sys.exit(f"A driver failed: {''.join(lines)}\n{tail(told)}")
    n_days = len([line for line in lines if line.startswith("day")])
    return is_done, n_hits, n_days, worked_s


def lives_for(driver, seconds):
    """Wait so long; whether the driver still lives."""
    until = time.monotonic() + seconds
    while driver.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    return driver.poll() is None


def kill_driver_after(moment_s):
    """A disturbance: the driver's death at that moment of its work."""

    def disturb(driver):
        is_alive = lives_for(driver, moment_s)
        kill(driver)
        return int(is_alive)

    return disturb


def kill_executors(n):
    """A disturbance: deaths of `n` executors, one after another, as long as the driver works."""

    def disturb(driver):
        n_hits = 0
        while n_hits < n and lives_for(driver, random.uniform(0, PAUSE_S)):
            for executor in executors(driver.pid)[:1]:
                with contextlib.suppress(psutil.Error):
                    executor.kill()
                    n_hits += 1
        return n_hits

    return disturb


def executors(pid):
    """The executors' JVMs below a driver."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            # Others end while they are looked at.
            with contextlib.suppress(psutil.Error):
                if any("CoarseGrainedExecutorBackend" in word for word in child.cmdline()):
                    found.append(child)
    return found


def kill(driver):
    """SIGKILL for the driver's Python and its JVM, in one moment."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(driver.pid, signal.SIGKILL)


def tail(told):
    """The end of the drivers' log."""
    return (Path(told["folder"]) / "driver.log").read_text(errors="replace")[-3000:]


def rows_of(folder, name):
    """What a table holds, sorted, with predictions as columns."""
    found = pd.read_parquet(folder / "found" / name)
    scores = pd.json_normalize(found.pop("prediction").tolist())
    return pd.concat([found, scores], axis=1).sort_values("flight_id").reset_index(drop=True)


def compare(expected, found, name):
    """End with status 1 where a row is missing, doubled or different."""
    # Spark reads the values of partition columns from names of folders, as its smallest integers.
    if not found.astype({"day": "int64"}).equals(expected.astype({"day": "int64"})):
        doubled = found["flight_id"].duplicated().sum()
        missing = len(set(expected["flight_id"]) - set(found["flight_id"]))
        sys.exit(
            f"{name} is not what one go writes: {len(found)} rows for {len(expected)}, {doubled} "
            f"doubled, {missing} missing"
        )


if __name__ == "__main__":
    main()
