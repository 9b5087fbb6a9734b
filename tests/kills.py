"""Kill the table job at random moments, over and over, and compare what is left with one go.

``python tests/kills.py --kind delta --mode append --kills 30 --victim driver``

A driver scores ten days of flights, a run a day, into a table of the kind; it is killed by SIGKILL
at a random moment of its life and started again, until it was killed so often; then it may finish,
and the table is compared, row by row and bit by bit, with what one undisturbed driver writes.
Whenever all days are there before the number is reached, another table is begun.
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
DAYS = list(range(1, 11))
LIMIT_S = 300


def main():
    """Kill, start again, compare; exit status 1 where a row differs."""
    arguments = parsed()
    random.seed(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="dai_spark-kills-"))
    try:
        found = run(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))


def parsed():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", choices=KINDS, default="delta")
    parser.add_argument("--mode", default="append")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--victim", choices=("driver", "executor"), default="driver")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pipeline", type=absolute, default=str(ROOT / "build" / "flights-scorer.zip")
    )
    parser.add_argument("--env", type=absolute, default=str(ROOT / "build" / "dai-1.10.tar.zst"))
    parser.add_argument(
        "--license-file", type=absolute, default=str(ROOT / "build" / "license.txt")
    )
    return parser.parse_args()


def absolute(path):
    """The drivers work in a folder of their own."""
    return str(Path(path).resolve())


def run(arguments, folder):
    """All kills of one kind and mode."""
    master = "local[2]" if arguments.victim == "driver" else "local-cluster[2,1,900]"
    told = {
        "folder": str(folder),
        "kind": arguments.kind,
        "mode": arguments.mode,
        "master": master,
        "days": DAYS,
        "source": f"parquet:{source(folder, arguments.rows)}",
        "pipeline": arguments.pipeline,
        "env": arguments.env,
        "license_file": arguments.license_file,
    }
    begun = time.monotonic()
    finish(with_target(told, folder, "undisturbed"))
    undisturbed_s = time.monotonic() - begun
    expected = rows_of(folder, "undisturbed")
    n_kills = n_tables = 0
    at = []
    while n_kills < arguments.kills:
        n_tables += 1
        name = f"table_{n_tables}"
        table = with_target(told, folder, name)
        is_done = False
        while not is_done and n_kills < arguments.kills:
            moment_s = random.uniform(1.0, undisturbed_s * 1.1)
            is_done, days = disturbed(table, arguments.victim, moment_s)
            if not is_done or arguments.victim == "executor":
                n_kills += 1
            at.append(f"{moment_s:.0f} s, {days} days")
            print(f"{arguments.kind} {arguments.mode}: {n_kills} kills, {at[-1]}", file=sys.stderr)
        if not is_done:
            finish(table)
        compare(expected, rows_of(folder, name), name)
    return {
        "kind": arguments.kind,
        "mode": arguments.mode,
        "victim": arguments.victim,
        "kills": n_kills,
        "tables": n_tables,
        "rows": len(expected),
        "took_s": round(time.monotonic() - begun),
    }


def source(folder, n_rows):
    """Ten days of flights as Parquet, in four files."""
    from dai_spark.testing import flights_table

    table = flights_table().drop(columns=["late", "delay", "arrival"])
    table = table[table["day"].isin(DAYS)].iloc[:n_rows]
    path = folder / "source"
    path.mkdir()
    for number in range(4):
        table.iloc[number::4].to_parquet(path / f"part-{number}.parquet", index=False)
    return path


def with_target(told, folder, name):
    """What a driver is told for one table."""
    names = {
        "delta": f"delta:{folder}/tables/{name}",
        "parquet": f"parquet:{folder}/tables/{name}",
        "iceberg": f"ice.db.{name}",
    }
    return {**told, "target": names.get(told["kind"], name), "found": str(folder / "found" / name)}


def start(told):
    """A driver in a process group of its own."""
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }
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
    """Let a driver work to its end."""
    driver = start(told)
    try:
        out, _ = driver.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        kill(driver)
        sys.exit(f"A driver did not end within {LIMIT_S} s.")
    if driver.returncode != 0 or "all days are there" not in out:
        sys.exit(f"A driver failed: {out}\n{tail(told)}")


def disturbed(told, victim, moment_s):
    """Start a driver and kill it, or an executor of it, after so long; whether it had all days."""
    driver = start(told)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(driver.stdout), daemon=True)
    reader.start()
    deadline = time.monotonic() + moment_s
    while driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if victim == "driver":
        kill(driver)
    else:
        for executor in executors(driver.pid)[:1]:
            with contextlib.suppress(psutil.Error):
                executor.kill()
        try:
            driver.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            kill(driver)
            sys.exit(f"A driver did not end within {LIMIT_S} s of its executor's death.")
    driver.wait(30)
    reader.join(10)
    is_done = any("all days are there" in line for line in lines)
    if driver.returncode not in (0, -signal.SIGKILL) and not is_done:
        sys.exit(f"A driver failed: {''.join(lines)}\n{tail(told)}")
    return is_done, len([line for line in lines if line.startswith("day")])


def executors(pid):
    """The executors' JVMs below a driver."""
    with contextlib.suppress(psutil.Error):
        return [
            child
            for child in psutil.Process(pid).children(recursive=True)
            if any("CoarseGrainedExecutorBackend" in word for word in child.cmdline())
        ]
    return []


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
    if not found.equals(expected):
        doubled = found["flight_id"].duplicated().sum()
        missing = len(set(expected["flight_id"]) - set(found["flight_id"]))
        sys.exit(
            f"{name} is not what one go writes: {len(found)} rows for {len(expected)}, {doubled} "
            f"doubled, {missing} missing"
        )


if __name__ == "__main__":
    main()
