"""SIGTERM: requests that are there are answered, a second one does not wait, nothing is left."""

import json
import os
import re
import signal
import threading
import time

import grpc
import numpy as np
import pytest
from processes import processes_of

from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.scoring_proto import scoring_file

N_CLIENTS = 6


def grpc_port(server):
    """Of a server's log."""
    return re.search(r"listening on 127\.0\.0\.1:(\d+) for gRPC", server.log.read_text())[1]


def in_threads(ask, n=N_CLIENTS):
    """Begin calls, each in a thread of its own."""
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    return threads


def wait_until_scored(server, n_calls):
    """Wait until so many calls are with scorers or wait for one."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        text = server.client.get("/metrics").text
        found = re.findall(r"^dai_spark_(?:waiting_calls|busy_scorers) (\S+)$", text, re.MULTILINE)
        if sum(map(float, found)) >= n_calls:
            return
        time.sleep(0.01)
    raise AssertionError(server.log.read_text()[-3000:])


def test_what_is_in_flight_is_answered(serve, export, records, own):
    """By HTTP and gRPC, merged and waiting; every answer has the pipeline's own bits."""
    server = serve(export(), "--grpc-port", 0, "--max-scorers", 1, "--no-merge")
    n_times = 150
    body = json.dumps(records * n_times).encode()
    answers, wrong = [], []
    messages = Messages(scoring_file())
    port = grpc_port(server)

    def check(rows):
        found = [{name: np.float32(value) for name, value in row.items()} for row in rows]
        if found[: len(own)] != own or len(found) != n_times * len(own):
            wrong.append("other rows")

    def ask(number):
        try:
            if number % 2:
                url = f"{server.url}/predict"
                answer = server.client.post(url, content=body)
                assert answer.status_code == 200, answer.text
                check(answer.json())
            else:
                options = [("grpc.max_receive_message_length", -1)]
                with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
                    call = channel.unary_unary(f"/{messages.service}/Score")
                    request = messages.of("ScoreRequest")(json=body)
                    reply = call(request.SerializeToString(), timeout=60)
                    check(json.loads(messages.of("ScoreReply").FromString(reply).json))
            answers.append(number)
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            wrong.append(repr(error))

    server.client.get("/live")
    threads = in_threads(ask)
    wait_until_scored(server, N_CLIENTS - 2)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(answers) == N_CLIENTS
    assert server.process.wait(40) == 0
    assert processes_of(f"{server.process.pid} ") == {}


@pytest.mark.parametrize("by", ["second signal", "limit"])
def test_a_request_that_hangs_does_not_keep_the_server(serve, export, records, by):
    """Its scorers are stopped: the client is told so, the server ends, no process is left."""
    limit_s = 30 if by == "second signal" else 1.5
    server = serve(export(), "--grpc-port", 0, "--max-scorers", 1, "--drain-s", limit_s)
    statuses = []
    family = family_of(server.process.pid)
    for pid in scorers_of(server.process.pid):
        os.kill(pid, signal.SIGSTOP)

    def ask(number):
        answer = server.client.post("/predict", json=records[:1])
        statuses.append(answer.status_code)

    threads = in_threads(ask, 2)
    wait_until_scored(server, 1)
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    if by == "second signal":
        time.sleep(1)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    taken_s = time.monotonic() - begun
    for thread in threads:
        thread.join()
    assert statuses == [503, 503]
    assert 1 <= taken_s < 15
    assert "ending at once" in server.log.read_text()
    assert [pid for pid in family if is_there(pid)] == []


def test_a_server_that_loads_ends_at_once(serve, export):
    """The load is not waited for when a second signal comes."""
    server = serve(export(), waits=False)
    server.wait("/live")
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert "Traceback" not in server.log.read_text()
    assert processes_of(f"{server.process.pid} ") == {}


def family_of(pid):
    """Process ids of a server's sidecar and scorers."""
    import psutil

    return [one.pid for one in psutil.Process(pid).children(recursive=True)]


def scorers_of(pid):
    """Those of a server's processes that have no child."""
    import psutil

    found = psutil.Process(pid).children(recursive=True)
    parents = {one.ppid() for one in found}
    return [one.pid for one in found if one.pid not in parents]


def is_there(pid):
    """Whether a process runs, zombies left out."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
