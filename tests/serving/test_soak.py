"""A server for long: scorers are killed, the pipeline is swapped, and nothing is lost or grows."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from metrics_text import metrics_of, total

N_REQUESTS = int(os.environ.get("DAI_SPARK_SOAK_REQUESTS", "200000"))
N_CLIENTS = 16
KILL_EVERY_S = 5
# Of the server itself, from the first tenth to the end.
MOST_GROWTH_BYTES = 30 << 20


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_a_server_for_long(serve, export, own_scores, records, rows, tmp_path):
    """Each reply has the bits of the pipeline that it names, and memory is flat."""
    first, second, path = export(), export(n_trees=21), tmp_path / "served.zip"
    shutil.copyfile(first, path)
    server = serve(path, "--no-access-log")

    def put(content):
        aside = path.with_suffix(".new")
        shutil.copyfile(content, aside)
        aside.replace(path)
        n_before = n_swapped()
        os.kill(server.process.pid, signal.SIGHUP)
        limit = time.monotonic() + 120
        while n_swapped() == n_before:
            assert time.monotonic() < limit, server.log.read_text()[-3000:]
            time.sleep(0.1)

    def n_swapped():
        return total(metrics_of(server), "dai_spark_swaps_total", outcome="done")

    # Replies are compared as bytes; here, once for each row and pipeline, with its own scores.
    expected = [{} for _ in records]
    for content in (first, second):
        if content is second:
            put(second)
        own = own_scores(content, rows).to_dict("records")
        for i, record in enumerate(records):
            answer = server.client.post("/predict", json=[record])
            assert {k: np.float32(v) for k, v in answer.json()[0].items()} == own[i]
            digest = answer.headers["x-model-digest"]
            expected[i][digest] = base64.b64encode(answer.content).decode()
    assert len(expected[0]) == 2
    put(first)
    cases = [(request_of(record), replies) for record, replies in zip(records, expected)]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))

    host, port = server.url.removeprefix("http://").split(":")
    program = Path(__file__).parents[1] / "soak_client.py"
    words = [host, port, N_CLIENTS, N_REQUESTS, file]
    with subprocess.Popen(
        [sys.executable, str(program), *map(str, words)], stdout=subprocess.PIPE, text=True
    ) as client:
        n_killed, memory, last_kill, is_swapped = 0, [], time.monotonic(), False
        line = ""
        for line in client.stdout:
            if not line.strip().isdigit():
                break
            n_done = int(line)
            if n_done > N_REQUESTS / 10:
                memory.append(psutil.Process(server.process.pid).memory_info().rss)
            if not is_swapped and n_done > N_REQUESTS / 2:
                put(second)
                is_swapped = True
            elif time.monotonic() - last_kill > KILL_EVERY_S:
                os.kill(scorers_of(server.process.pid)[0], signal.SIGKILL)
                n_killed, last_kill = n_killed + 1, time.monotonic()
        found = json.loads(line)
        assert client.wait(60) == 0
    print({**found, "n_killed": n_killed, "memory_mib": [size >> 20 for size in memory]})
    counts = found["counts"]
    assert counts.get("lost", 0) == 0
    assert counts.get("wrong", 0) == 0
    n_told = N_REQUESTS - counts["200"]
    # A request is told that its scorer died only where it was alone with one twice.
    assert n_told <= n_killed
    assert len(found["digests"]) == 2
    assert is_swapped
    assert n_killed
    assert memory[-1] - memory[0] < MOST_GROWTH_BYTES
    metrics = metrics_of(server)
    assert total(metrics, "dai_spark_died_scorers_total") >= 1
    assert total(metrics, "dai_spark_waiting_calls") == 0
    assert server.end() == 0


def request_of(record):
    """A whole request of one row, in base64."""
    body = json.dumps([record]).encode()
    head = (
        "POST /predict HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return base64.b64encode(head.encode() + body).decode()


def scorers_of(pid):
    """Process ids of the scorers behind a server."""
    found = psutil.Process(pid).children(recursive=True)
    parents = {one.ppid() for one in found}
    return [one.pid for one in found if one.pid not in parents]
