"""The server against DAI's own form of server and MLflow's: one row of 1, 16 and 64 clients, bulk.

*Direct* is `score_batch` of the same rows in the pipeline's own Python.  *DAI's form* is Tornado in
that Python, one process and one thread, as the server in an export is.  All servers have the same
pipeline; the load comes from a process of its own, over connections that stay open, and every
reply is compared with the one that the row has when it is scored alone, whose values are compared
with the pipeline's own.
"""

import argparse
import base64
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
from direct import ENVIRONMENT, FOLDER, LICENSE, environment_of, fresh, prepare_files
from exports import flights_pipeline
from handle import direct_process
from mlflow_server import Server
from program import Program, tell
from scoring_server import ScoringServer
from tables import FEATURES, joined_flights

import dai_spark.mlflow
from dai_spark import ScoringPipeline, open_scorer
from dai_spark.local.unpacked_python import unpacked_python

N_TREES = 100
N_ROWS = 50
N_CLIENTS = (1, 16, 64)
BULK_ROWS = 10_000
MODEL_BYTES = 400_000_000
N_SCORERS = len(os.sched_getaffinity(0))
WORK = FOLDER / "serving"
TORNADO = "tornado==6.4.2"
# A slow server is not asked as often as a fast one.
SECONDS_A_LOAD = 6


@dataclass
class Way:
    """One server: where it is, and what it is asked."""

    name: str
    port: int
    path: str
    body: Callable[[dict[str, Any]], Any]
    values: Callable[[Any], list[float]]
    process: Any = None

    def request(self, row: dict[str, Any]) -> bytes:
        """A whole request of one row."""
        body = json.dumps(self.body(row)).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def alone(self, row: dict[str, Any]) -> bytes:
        """The body of the reply to one row."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = json.dumps(self.body(row))
        connection.request("POST", self.path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        assert reply.status == 200, text
        connection.close()
        return text


def main() -> None:
    """Measure and write the result."""
    Program(__file__, __doc__, rows=400, repeat=3, rows_help="calls of one row, of each way").run(
        measure
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One client in turn with direct, then loads, then bulk and memory."""
    prepare_files()
    work = fresh(WORK)
    os.environ["DRIVERLESS_AI_LICENSE_KEY"] = LICENSE.read_text()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    path = flights_pipeline(N_TREES)
    frame: pd.DataFrame = joined_flights()[list(FEATURES)]
    table = frame.iloc[:: len(frame) // N_ROWS].iloc[:N_ROWS].reset_index(drop=True)
    rows = json.loads(table.to_json(orient="records", double_precision=15))
    own = own_scores(path, table)
    with contextlib.ExitStack() as stack:
        ways = [
            stack.enter_context(ours(path, work)),
            stack.enter_context(in_dais_form(path, work)),
            stack.enter_context(mlflows(path, work)),
        ]
        replies = {way.name: checked_replies(way, rows, own) for way in ways}
        direct = stack.enter_context(direct_process(path, table, 0))
        one = one_client_ms(direct, ways[0], rows, arguments.rows)
        tell(f"one client: {one}")
        loads = {n: loaded(ways, rows, replies, n, arguments.repeat, work) for n in N_CLIENTS}
        bulk_direct = stack.enter_context(
            direct_process(path, frame.iloc[:BULK_ROWS], 1, BULK_ROWS)
        )
        bulk = bulk_rates(ways[0], frame.iloc[:BULK_ROWS], bulk_direct, arguments.repeat)
    memory = memory_mb(work, MODEL_BYTES)
    most = loads[N_CLIENTS[-1]]
    return {
        "trees": N_TREES,
        "columns": len(FEATURES),
        "one_client": one,
        "p50_over_direct": one["served"]["p50_ms"] / one["direct"]["p50_ms"],
        "to_reach_p50": 1.15,
        "p99_over_direct": one["served"]["p99_ms"] / one["direct"]["p99_ms"],
        "to_reach_p99": 1.5,
        "loads": {str(n): found for n, found in loads.items()},
        "over_peers": {
            name: most["ours"]["rows_per_s"] / found["rows_per_s"]
            for name, found in most.items()
            if name != "ours"
        },
        "to_reach_over_peers": 20,
        "bulk": bulk,
        "to_reach_bulk_over_direct": 0.9,
        "memory": memory,
    }


def own_scores(path: Path, table: pd.DataFrame) -> np.ndarray:
    """What the pipeline itself answers, by the handle, which the tests hold to its bits."""
    with open_scorer(path, ENVIRONMENT, license=LICENSE.read_text()) as scorer:
        return scorer.score(table).to_numpy(np.float32)


def checked_replies(way: Way, rows: list[dict[str, Any]], own: np.ndarray) -> list[bytes]:
    """The reply to each row alone; its values are the pipeline's own."""
    replies = [way.alone(row) for row in rows]
    found = np.array([way.values(json.loads(reply)) for reply in replies], np.float32)
    assert np.array_equal(found, own), f"{way.name} answers other scores"
    return replies


@contextlib.contextmanager
def ours(path: Path, work: Path) -> Iterator[Way]:
    """``dai-spark serve``."""
    server = ScoringServer(path, work / "ours.log", "--env", ENVIRONMENT, "--license-file", LICENSE)
    try:
        port = int(server.wait().url.rpartition(":")[2])
        way = Way("ours", port, "/predict", lambda row: [row], lambda told: [*told[0].values()])
        way.process = server.process
        yield way
    finally:
        server.close()


@contextlib.contextmanager
def in_dais_form(path: Path, work: Path) -> Iterator[Way]:
    """Tornado in the pipeline's Python."""
    python, own = unpacked_python(ENVIRONMENT), fresh(work / "dai")
    pipeline = ScoringPipeline(path)
    for member in pipeline.members:
        if member.startswith("tmp/"):
            (own / member).parent.mkdir(parents=True, exist_ok=True)
            pipeline.extract_member(member, (own / member).parent)
    wheel = pipeline.extract_member(pipeline.wheel_name, own)
    install = ["pip", "install", "--quiet", "--python", str(python), "--target", str(own / "site")]
    subprocess.run([sys.executable, "-m", "uv", *install, TORNADO], check=True, timeout=120)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = str(Path(__file__).with_name("dai_server.py"))
    with (own / "log").open("w") as log:
        process = subprocess.Popen(
            [str(python), script, str(wheel), pipeline.package, str(port)],
            cwd=own,
            env={**environment_of(python, own), "PYTHONPATH": str(own / "site")},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(port, process)
        way = Way(
            "DAI's form",
            port,
            "/rpc",
            lambda row: {"id": 1, "method": "score", "params": {"row": row}},
            lambda told: told["result"],
        )
        way.process = process
        yield way
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextlib.contextmanager
def mlflows(path: Path, work: Path) -> Iterator[Way]:
    """``mlflow models serve`` of the same pipeline, logged by us."""
    dai_spark.mlflow.save_model(work / "model", path, ENVIRONMENT)
    server = Server(str(work / "model"), work / "mlflow.log")
    try:
        server.wait()
        yield Way(
            "MLflow's",
            server.port,
            "/invocations",
            lambda row: {"dataframe_records": [row]},
            lambda told: [*told["predictions"][0].values()],
        )
    finally:
        server.close()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a port answers."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        assert process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError("the server in DAI's form did not start")


def one_client_ms(
    direct: Callable[[int], list[float]], way: Way, rows: list[dict[str, Any]], n_calls: int
) -> dict[str, dict[str, float]]:
    """Median and 99th percentile of one row, direct and served in turn."""
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=60)
    seconds: dict[str, list[float]] = {"direct": [], "served": []}
    for number in range(-20, n_calls):
        taken_s = direct(1)[0]
        body = json.dumps(way.body(rows[number % len(rows)]))
        begun = time.perf_counter()
        connection.request("POST", way.path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        served_s = time.perf_counter() - begun
        assert reply.status == 200
        if number >= 0:
            seconds["direct"].append(taken_s)
            seconds["served"].append(served_s)
    return {
        name: {
            "p50_ms": statistics.median(found) * 1000,
            "p99_ms": statistics.quantiles(found, n=100)[98] * 1000,
        }
        for name, found in seconds.items()
    }


def loaded(
    ways: list[Way],
    rows: list[dict[str, Any]],
    replies: dict[str, list[bytes]],
    n_clients: int,
    repeat: int,
    work: Path,
) -> dict[str, dict[str, float]]:
    """Rows a second of each server under so many clients, the servers in turn."""
    found: dict[str, list[dict[str, Any]]] = {way.name: [] for way in ways}
    for number in range(repeat):
        for way in ways:
            pairs = [
                [base64.b64encode(part).decode() for part in (way.request(row), reply)]
                for row, reply in zip(rows, replies[way.name], strict=True)
            ]
            file = work / "requests.json"
            file.write_text(json.dumps(pairs))
            last = found[way.name]
            rate = 25.0 if not last else last[-1]["rows_per_s"]
            n_requests = max(4 * n_clients, round(rate * SECONDS_A_LOAD))
            one = run_load(way.port, n_clients, n_requests, file)
            assert one["n_wrong"] == 0, f"{way.name}: {one['n_wrong']} replies are others"
            last.append(one)
            tell(f"{n_clients} clients, {way.name}, {number + 1}: {one['rows_per_s']:.0f} rows/s")
    # The first is short: the rate was not known.
    return {
        name: {
            key: statistics.median(one[key] for one in runs[1:] or runs)
            for key in ("rows_per_s", "p50_ms", "p99_ms")
        }
        for name, runs in found.items()
    }


def run_load(port: int, n_clients: int, n_requests: int, file: Path) -> dict[str, Any]:
    """One load by a process of its own."""
    script = str(Path(__file__).with_name("load_client.py"))
    words = ["127.0.0.1", port, n_clients, n_requests, file]
    done = subprocess.run(
        [sys.executable, script, *map(str, words)],
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)
    seconds = told["seconds"]
    assert len(seconds) == n_requests
    return {
        "rows_per_s": n_requests / told["total_s"],
        "p50_ms": seconds[len(seconds) // 2] * 1000,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1000,
        "n_wrong": told["n_wrong"],
    }


def memory_mb(work: Path, model_bytes: int) -> dict[str, float]:
    """Proportional set size of scorers at work, and of one process that loads the same model."""
    pipeline = flights_pipeline(N_TREES, ballast_bytes=model_bytes, score_seconds=0.5)
    row = json.loads(joined_flights()[list(FEATURES)].iloc[:1].to_json(orient="records"))[0]
    # As many calls at once as there are scorers, each with half a second to be seen at work.
    with ours(pipeline, work) as way, ThreadPoolExecutor(N_SCORERS) as threads:
        calls = [threads.submit(way.alone, row) for _ in range(N_SCORERS)]
        time.sleep(0.3)
        front = psutil.Process(way.process.pid)
        sizes = [one.memory_full_info().pss for one in front.children(recursive=True)]
        front_bytes = front.memory_full_info().pss
        for call in calls:
            call.result()
    with in_dais_form(pipeline, work) as way:
        way.alone(row)
        one = psutil.Process(way.process.pid).memory_full_info().pss
    return {
        "model_mb": model_bytes / 1e6,
        "front_mb": front_bytes / 1e6,
        "scorers_mb": sum(sizes) / 1e6,
        "n_scorers": N_SCORERS,
        "direct_mb": one / 1e6,
        "scorers_over_separate_loads": sum(sizes) / (N_SCORERS * one),
        "to_reach": 1 / N_SCORERS + 0.1,
    }


def bulk_rates(
    way: Way, frame: pd.DataFrame, direct: Callable[[int], list[float]], repeat: int
) -> dict[str, float]:
    """Rows a second of 10,000 rows a call: as Arrow, as JSON, and direct."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    bodies = {
        "arrow": (sink.getvalue(), "application/vnd.apache.arrow.stream"),
        "json": (frame.to_json(orient="records").encode(), "application/json"),
    }
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=120)
    seconds: dict[str, list[float]] = {"direct": [], **{name: [] for name in bodies}}
    for number in range(-2, 5 * repeat):
        taken = {"direct": direct(1)[0]}
        for name, (body, kind) in bodies.items():
            begun = time.perf_counter()
            connection.request("POST", way.path, body, {"Content-Type": kind})
            reply = connection.getresponse()
            reply.read()
            taken[name] = time.perf_counter() - begun
            assert reply.status == 200
        if number >= 0:
            for name, taken_s in taken.items():
                seconds[name].append(taken_s)
    rates = {name: len(frame) / statistics.median(found) for name, found in seconds.items()}
    return {
        **{f"{name}_rows_per_s": rate for name, rate in rates.items()},
        "arrow_over_direct": rates["arrow"] / rates["direct"],
        "json_over_direct": rates["json"] / rates["direct"],
    }


if __name__ == "__main__":
    main()
