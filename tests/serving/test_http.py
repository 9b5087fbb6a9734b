"""HTTP by clients that are not ours: httpx, MLflow's own, and a socket that hangs up."""

import asyncio
import io
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
from processes import wait_until
from scoring_server import same

from dai_spark.cli import main
from dai_spark.serving.http.http_calls import HttpCalls

JSON = {"Content-Type": "application/json"}


def test_predict_answers_in_the_format_that_is_asked_for(server, rows, records, own):
    """JSON, JSON Lines, CSV and Arrow, each in and each out: the pipeline's own bits."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    bodies = {
        "application/json": json.dumps(records).encode(),
        "application/jsonl": "\n".join(map(json.dumps, records)).encode(),
        "text/csv": rows.to_csv(index=False).encode(),
        "application/vnd.apache.arrow.stream": sink.getvalue(),
    }

    def read(kind, content):
        if kind == "application/json":
            return json.loads(content)
        if kind == "application/jsonl":
            return [json.loads(line) for line in content.splitlines()]
        if kind == "text/csv":
            return pd.read_csv(io.BytesIO(content)).to_dict("records")
        return pa.ipc.open_stream(content).read_all().to_pylist()

    for given, body in bodies.items():
        for wanted in bodies:
            answer = server.client.post(
                "/predict", content=body, headers={"Content-Type": given, "Accept": wanted}
            )
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith(wanted)
            assert same(read(wanted, answer.content), own), (given, wanted)


def test_options_are_chosen_by_the_request(server, records, own):
    """Contributions, labels, margins, and columns that are kept."""
    answer = server.client.post("/predict?labels=true&keep=flight", json=records).json()
    assert {row["label"] for row in answer} <= {"no", "yes"}
    assert [row["flight"] for row in answer] == [row["flight"] for row in records]
    found = server.client.post("/predict?contributions=original", json=records).json()
    assert any("contrib_" in name for name in found[0])
    wrong = server.client.post("/predict?margin=perhaps", json=records)
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (400, "OptionError")
    assert server.client.post("/predict?env_vars=x", json=records).status_code == 400
    assert same(server.client.post("/predict", json=records).json(), own)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("distance", "1545", "it is text"),
        ("distance", 9007199254740993, "a float would round it"),
        ("distance", True, "send 1 or 0"),
        ("carrier", 5.5, "the pipeline wants text"),
    ],
)
def test_a_value_is_given_as_it_is_or_refused_by_its_place(server, records, column, value, why):
    """Row, column and value stand in the answer."""
    rows = [dict(row) for row in records[:3]]
    rows[2][column] = value
    answer = server.client.post("/predict", json=rows)
    assert answer.status_code == 400
    told = answer.json()["error"]
    assert (told["values"][0]["row"], told["values"][0]["column"]) == (2, column)
    assert why in told["message"]


def test_invocations_takes_every_form_of_mlflows(server, rows, records, own):
    """One row parser for MLflow, SageMaker and Vertex; the answer is ``predictions``."""
    split = {"columns": list(rows.columns), "data": [list(row.values()) for row in records]}
    columns = {name: [row[name] for row in records] for name in rows.columns}
    for body in (
        {"dataframe_split": split},
        {"dataframe_records": records},
        {"inputs": columns},
        {"inputs": records},
        {"instances": records, "parameters": {"labels": False}},
        {"instances": records, "params": {"contributions": None}},
    ):
        answer = server.client.post("/invocations", json=body)
        assert answer.status_code == 200, answer.text
        assert same(answer.json()["predictions"], own)
    answer = server.client.post(
        "/invocations", content=rows.to_csv(index=False), headers={"Content-Type": "text/csv"}
    )
    assert same(answer.json()["predictions"], own)
    for wrong in ({}, [], {"inputs": columns, "instances": records}, {"rows": records}):
        answer = server.client.post("/invocations", json=wrong)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert server.client.get("/ping").text == server.client.get("/health").text == "\n"


@pytest.mark.filterwarnings("default")
def test_mlflows_own_client(server, rows, own):
    """`ScoringServerClient`, which MLflow itself scores with."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    host, port = server.url.removeprefix("http://").split(":")
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=10)
    assert same(client.invoke(rows).get_predictions().to_dict("records"), own)


def test_what_is_no_request_is_told_in_a_sentence(server, records):
    """Never a stack, never a page: a status, and what to do."""
    for content, headers, status in (
        (b"{", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[]x", JSON, 400),
        (b"a,b\n1,2\n", {"Content-Type": "text/csv"}, 400),
        (b"{}", {"Content-Type": "image/png"}, 400),
        (json.dumps(records[:1]).encode(), {**JSON, "X-Request-Timeout": "soon"}, 400),
        (json.dumps(records[:1]).encode(), {**JSON, "Content-Encoding": "gzip"}, 400),
        (json.dumps(records[:1]).encode(), {**JSON, "X-Request-Timeout": "0.0001"}, 504),
    ):
        answer = server.client.post("/predict", content=content, headers=headers)
        assert answer.status_code == status, (content, answer.text)
        assert "Traceback" not in answer.text
        assert answer.json()["error"]["message"].endswith(".")
    assert server.client.post("/predict", json=records[:1]).status_code == 200
    assert server.client.get("/predict").status_code == 405
    given = server.client.post("/predict", json=records[:1], headers={"X-Request-ID": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"


def test_many_clients_at_once_each_get_their_own(server, records, own):
    """Merged with others' rows, a bad one among them: the same bits as alone."""
    wrong = []

    def client(number):
        with_bad = number % 5 == 0
        for i in range(12):
            row = (number * 7 + i) % len(records)
            sent = [dict(records[row])]
            if with_bad:
                sent[0]["distance"] = "far"
            answer = server.client.post("/predict", json=sent)
            if with_bad and answer.status_code != 400:
                wrong.append(answer.text)
            if not with_bad and not same(answer.json(), [own[row]]):
                wrong.append(answer.text)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_limits_of_a_server(serve, export, records):
    """Body, queue, token; a client that leaves; SIGTERM answers what is there."""
    words = ("--max-body-bytes", 20_000, "--max-waiting", 0, "--max-scorers", 1)
    token = {"DAI_SPARK_TOKEN": "a secret"}
    server = serve(export(), *words, environment=token)
    client = server.client
    assert client.post("/predict", json=records[:1]).status_code == 401
    client.headers["Authorization"] = "Bearer a secret"
    assert client.post("/predict", json=records[:1]).status_code == 200
    answer = client.post("/predict", json=records * 2)
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "TooLargeError")
    assert "a secret" not in server.log.read_text()

    statuses = []
    ask = lambda: statuses.append(client.post("/predict", json=records[:1]))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in statuses if answer.status_code == 429]
    assert {answer.status_code for answer in statuses} == {200, 429}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    behind = psutil.Process(server.process.pid).children(recursive=True)
    assert len(behind) > 1
    assert server.end() == 0
    assert psutil.wait_procs(behind, 10)[1] == []


def test_a_killed_scorer_costs_no_answer(serve, export, records, own):
    """All scorers are killed again and again under load: every answer is right."""
    server = serve(export())
    ended = threading.Event()
    wrong = []

    def client(number):
        row = number
        while not ended.is_set():
            row = (row + 1) % len(records)
            answer = server.client.post("/predict", json=[records[row]])
            if answer.status_code != 200 or not same(answer.json(), [own[row]]):
                wrong.append(answer.text)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    n_killed = 0
    for _ in range(4):
        time.sleep(0.5)
        scorers = scorers_of(server.process.pid)
        n_killed += len(scorers)
        for pid in scorers[:1]:
            os.kill(pid, signal.SIGKILL)
    ended.set()
    for thread in threads:
        thread.join()
    assert n_killed
    # A call that is alone twice under a killed scorer is told so; with four kills none was.
    assert wrong == []


def scorers_of(pid):
    """Process ids of the scorers behind a server."""
    found = psutil.Process(pid).children(recursive=True)
    parents = {one.ppid() for one in found}
    return [one.pid for one in found if one.pid not in parents]


def test_a_client_that_hangs_up_leaves_nothing(server, records):
    """Its connection closes before the answer; the next request is answered."""
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps(records * 50).encode()

    def dropped():
        text = server.client.get("/metrics").text
        return float(text.partition("\ndai_spark_dropped_calls_total ")[2].partition("\n")[0])

    before = dropped()
    for _ in range(12):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
    answer = server.client.post("/predict", json=records[:1])
    assert answer.status_code == 200, (answer.text, server.log.read_text()[-6000:])
    assert "Traceback" not in server.log.read_text()
    # What had no scorer yet was not scored.
    assert wait_until(lambda: dropped() > before, 40)


def test_a_client_without_patience_costs_no_scorer(serve, export, records):
    """Its answer is late, and the scorer that makes it serves the next client."""
    server = serve(export(), "--max-scorers", 1)
    assert server.client.post("/predict", json=records[:1]).status_code == 200
    scorers = scorers_of(server.process.pid)
    for _ in range(5):
        hurry = {"X-Request-Timeout": "0.001"}
        assert server.client.post("/predict", json=records, headers=hurry).status_code == 504
        assert server.client.post("/predict", json=records[:1]).status_code == 200
    assert scorers_of(server.process.pid) == scorers


def test_a_server_has_a_deadline_for_clients_that_name_none(serve, export, records):
    """A client that says how long it waits is heard, one that does not gets 504 in time."""
    server = serve(export(), "--timeout-s", 0.0001)
    late = server.client.post("/predict", json=records)
    assert (late.status_code, late.json()["error"]["type"]) == (504, "DeadlineError")
    patient = {"X-Request-Timeout": "60"}
    assert server.client.post("/predict", json=records, headers=patient).status_code == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--timeout-s", "0"), "timeout_s=0.0 must be a number of seconds"),
        (("--port", "99999"), "port=99999 must be a whole number from 0 to 65,535"),
        (("--grpc-port", "-1"), "grpc_port=-1 must be"),
        (("--max-scorers", "0"), "max_scorers=0 must be"),
        (("--max-waiting", "-3"), "max_waiting=-3 must be"),
        (("--max-batch-rows", "0"), "max_batch_rows=0 must be"),
        (("--max-body-bytes", "0"), "max_body_bytes=0 must be"),
        (("--drain-s", "nan"), "drain_s=nan must be a number"),
        (("--reload-s", "-1"), "reload_s=-1.0 must be a number of seconds"),
        (("--log", "{folder}", "--log-sample", "2"), "share of calls to log is 2"),
        (("--tls-client-ca", "{ca}"), "give both --tls-cert and --tls-key"),
        (("--tls-cert", "{ca}"), "give both --tls-cert and --tls-key"),
        (("--tls-cert", "{folder}/no.pem", "--tls-key", "{ca}"), "no.pem cannot be read (No such"),
        (("--tls-cert", "{ca}", "--tls-key", "{ca}"), "are no certificate and its key in PEM"),
    ],
)
def test_flags_that_cannot_be_meant(tmp_path, capsys, words, said):
    """One sentence before a port is open or a pipeline is read, and exit status 2."""
    (tmp_path / "ca.pem").write_text("no certificate")
    given = [word.format(folder=tmp_path, ca=tmp_path / "ca.pem") for word in words]
    assert main(["serve", "nowhere.zip", *given]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "nowhere.zip" not in told
    assert "Traceback" not in told


def test_a_pipeline_that_does_not_load_ends_the_server(serve, tmp_path):
    """One sentence, and exit status 1 or 2."""
    (tmp_path / "no.zip").write_bytes(b"no zip")
    server = serve(tmp_path / "no.zip", waits=False)
    assert server.process.wait(60) in (1, 2)
    assert "Traceback" not in server.log.read_text()
    assert "no.zip" in server.log.read_text()


def test_metrics_and_a_line_for_each_request(serve, export, records):
    """Counts by protocol and status; a log of JSON that has names, and no value of a row."""
    server = serve(export(), "--log-format", "json", "--grpc-port", 0)
    sent = {**records[0], "tailnum": "N-SECRET"}
    assert server.client.post("/predict", json=[sent] * 3).status_code == 200
    bad = {**sent, "distance": "N-SECRET"}
    given = {"X-Request-ID": "request-7"}
    assert server.client.post("/predict", json=[bad], headers=given).status_code == 400
    assert server.client.post("/invocations", json={"instances": [sent]}).status_code == 200
    text = server.client.get("/metrics").text
    for line in (
        'dai_spark_requests_total{protocol="predict",status="200"} 1.0',
        'dai_spark_requests_total{protocol="predict",status="400"} 1.0',
        'dai_spark_rows_total{protocol="predict"} 3.0',
        'dai_spark_rows_total{protocol="invocations"} 1.0',
        "dai_spark_batches_total 2.0",
        "dai_spark_waiting_calls 0.0",
        "dai_spark_ready 1.0",
    ):
        assert f"\n{line}\n" in text
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    told = [(line["protocol"], line["status"], line["n_rows"]) for line in requests]
    assert told == [("predict", "200", 3), ("predict", "400", 0), ("invocations", "200", 1)]
    assert (requests[1]["request_id"], requests[1]["error"]) == ("request-7", "RefusedValuesError")
    assert "N-SECRET" not in server.log.read_text()


def test_another_pipeline_takes_over_without_a_lost_request(
    serve, export, records, rows, own_scores
):
    """Under load, by a changed file and by SIGHUP; a broken file is refused."""
    import shutil

    first, second = export(), export(n_trees=21)
    path = server_file(first)
    server = serve(path, "--reload-s", 0.2)
    answers, ended = [], threading.Event()

    def client(number):
        row = number
        while not ended.is_set():
            row = (row + 1) % len(records)
            answer = server.client.post("/predict", json=[records[row]])
            answers.append((row, answer.status_code, answer.headers.get("x-model-digest"), answer))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()

    def served():
        return server.client.post("/predict", json=records[:1]).headers["x-model-digest"]

    def replaced(content):
        aside = path.with_suffix(".new")
        shutil.copyfile(content, aside)
        aside.replace(path)

    before = served()
    replaced(second)
    assert wait_until(lambda: served() != before, 40)
    after = served()
    path.write_bytes(b"no zip at all")
    assert wait_until(lambda: "the old one stays" in server.log.read_text(), 40)
    assert served() == after
    replaced(first)
    assert wait_until(lambda: served() == before, 40)
    replaced(second)
    os.kill(server.process.pid, signal.SIGHUP)
    assert wait_until(lambda: served() == after, 40)
    ended.set()
    for thread in threads:
        thread.join()
    own = {before: own_scores(first, rows), after: own_scores(second, rows)}
    assert {digest for _, _, digest, _ in answers} == {before, after}
    for row, status, digest, answer in answers:
        assert status == 200, answer.text
        wanted = own[digest].iloc[row]
        assert {k: np.float32(v) for k, v in answer.json()[0].items()} == dict(wanted)
    text = server.client.get("/metrics").text
    assert 'dai_spark_swaps_total{outcome="refused"} 1.0' in text
    n_done = float(text.partition('dai_spark_swaps_total{outcome="done"} ')[2].partition("\n")[0])
    assert n_done >= 3


def server_file(export):
    """A copy of an export that a test may replace."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp()) / "served.zip"
    shutil.copyfile(export, path)
    return path


def test_a_large_body_is_read_beside_the_event_loop():
    """Else all other requests would wait until it is read; a small one is read at once."""
    calls = HttpCalls(lambda: None, 1000)

    async def thread_of(n_bytes):
        return await calls.apart(n_bytes, threading.get_ident)

    assert asyncio.run(thread_of(1000)) == threading.get_ident()
    assert asyncio.run(thread_of(1_000_000)) != threading.get_ident()
