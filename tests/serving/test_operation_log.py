"""Lines of a server's log, and what of refused requests is counted."""

import json
import re
import socket

import grpc
import pytest
from metrics_text import metrics_of, total

from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.scoring_proto import scoring_file

TOKEN = "a-secret-token"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def servers(serve, export):
    """One that writes JSON, and one that writes text."""
    words = ("--grpc-port", 0, "--max-scorers", 1)
    token = {"DAI_SPARK_TOKEN": TOKEN}
    return {
        name: serve(export(), *words, "--log-format", name, environment=token)
        for name in ("json", "text")
    }


def call(server, request_id, data, token=TOKEN):
    """A call of gRPC."""
    port = re.search(r"listening on 127\.0\.0\.1:(\d+) for gRPC", server.log.read_text())[1]
    messages = Messages(scoring_file())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary(f"/{messages.service}/Score")
        request = messages.of("ScoreRequest")(json=data, request_id=request_id)
        metadata = (("authorization", f"Bearer {token}"),)
        return ask(request.SerializeToString(), timeout=30, metadata=metadata)


def test_every_line_is_an_object(servers, records):
    """Those of requests, of the server itself, and of uvicorn; none has a value or a secret."""
    server = servers["json"]
    sent = [{**records[0], "tailnum": "N-SECRET"}] * 2
    assert server.client.post("/predict", json=sent, headers=RIGHT).status_code == 200
    assert server.client.post("/predict", json=sent).status_code == 401
    asked = {"id": 1, "method": "score", "params": {"row": {**sent[0], "distance": "N-SECRET"}}}
    assert server.client.post("/rpc", json=asked, headers=RIGHT).json()["error"]
    call(server, "two\nlines", json.dumps(sent).encode())
    with pytest.raises(grpc.RpcError):
        call(server, "three", json.dumps(sent).encode(), token="wrong")
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"this is no HTTP\r\n\r\n")
        connection.recv(1000)
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert [line for line in lines if line["event"].startswith("Invalid HTTP request")]
    requests = [line for line in lines if line["event"] == "request"]
    told = [(one["protocol"], one["status"], one["n_rows"], one["n_merged"]) for one in requests]
    assert told == [
        ("predict", "200", 2, 1),
        ("http", "401", 0, 0),
        ("dai", "200", 0, 0),
        ("grpc", "OK", 2, 1),
        ("grpc", "UNAUTHENTICATED", 0, 0),
    ]
    assert requests[2]["error"] == "RefusedValuesError"
    assert requests[3]["request_id"] == "two\nlines"
    digest = requests[0]["digest"]
    assert len(digest) == 12
    assert digest == requests[3]["digest"]
    assert TOKEN not in text
    assert "N-SECRET" not in text
    found = metrics_of(server, **RIGHT)
    assert total(found, "dai_spark_requests_total", status="401") == 1
    assert total(found, "dai_spark_requests_total", status="UNAUTHENTICATED") == 1


def test_a_request_is_one_line_of_text(servers, records):
    """Whatever its client calls it."""
    server = servers["text"]
    call(server, "x\n2026-01-01 [info] forged", json.dumps(records[:1]).encode())
    lines = server.log.read_text().splitlines()
    (line,) = [line for line in lines if "protocol=grpc" in line]
    assert r"\n2026-01-01 [info] forged" in line
    assert "n_merged=1 n_rows=1" in line
    assert "status=OK" in line
