"""Driverless AI's JSON-RPC by curl and httpx: what its clients rest on, and what is mended."""

import json
import subprocess

import numpy as np
import pytest

from dai_spark.artifacts.pipeline import ScoringPipeline

TYPE = {"Content-Type": "application/json"}


def rpc(server, method, params=None, **more):
    """Call a method."""
    body = {"id": 1, "method": method, "params": params or {}, **more}
    return server.client.post("/rpc", json=body)


def result(server, method, params=None):
    """Its result."""
    answer = rpc(server, method, params)
    assert answer.status_code == 200
    assert answer.json().keys() == {"jsonrpc", "id", "result"}, answer.text
    return answer.json()["result"]


def test_the_call_of_curl(server, records, own):
    """Word for word the call that users of the container have in their scripts."""
    body = json.dumps({"id": 1, "method": "score", "params": {"row": records[0]}}, indent=4)
    command = ["curl", "-sS", f"{server.url}/rpc", "--header", "Content-Type: application/json"]
    told = subprocess.run(
        [*command, "--data", body], capture_output=True, check=True, timeout=60
    ).stdout
    answer = json.loads(told)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)
    # Doubles, as the original makes of the pipeline's float32.
    assert answer["result"] == [float(value) for value in own[0].values()]


def test_each_method_answers_what_the_scorer_says(server, export, records, own):
    """Batches, margins, contributions and names; no names of columns in an answer."""
    doubles = [[float(value) for value in row.values()] for row in own]
    assert result(server, "score_batch", {"rows": records}) == doubles
    assert result(server, "score", {"row": {**records[3], "other": "x"}}) == doubles[3]
    assert result(server, "get_target_labels") == ["no", "yes"]
    columns = result(server, "get_column_names")
    assert set(columns) < set(records[0])
    # As the container's page shows it, which the original does not take.
    values = [records[3][name] for name in columns]
    assert result(server, "score", {"row": values}) == doubles[3]
    contributions = result(server, "score", {"row": records[0], "pred_contribs": True})
    features = result(server, "get_transformed_column_names")
    assert len(contributions) == len(features) + 1
    assert not any(name.startswith("contrib_") for name in features)
    margin = result(server, "score", {"row": records[0], "output_margin": True})
    assert sum(contributions) == pytest.approx(margin[0], abs=1e-5)
    assert 1 / (1 + np.exp(-margin[0])) == pytest.approx(doubles[0][1], abs=1e-5)
    assert result(server, "get_hash") == ScoringPipeline(export()).experiment_id


def test_errors_are_the_originals(server, records):
    """Code 1 in HTTP's 200, id 0 without an id, 400 for nothing at all."""
    post = lambda content: server.client.post("/rpc", content=content, headers=TYPE)  # noqa: E731
    assert (post(b"").status_code, post(b"").content) == (400, b"")
    few = {name: value for name, value in records[0].items() if name != "distance"}
    for body, request_id, told in (
        ({"method": "get_hash", "params": {}}, 0, "Bad request: want 'id' in RPC request."),
        ([], 0, "want 'id'"),
        ({"id": "a"}, "a", "Bad request: want 'method' in RPC request."),
        ({"id": 2, "method": 3, "params": {}}, 2, "want string 'method'"),
        ({"id": 2, "method": "close", "params": {}}, 2, "Method not found: close"),
        ({"id": 2, "method": "score"}, 2, "Bad request: want 'params' in RPC request."),
        ({"id": 2, "method": "score", "params": []}, 2, "want 'params' by-name"),
        ({"id": 2, "method": "score", "params": {}}, 2, "wants row"),
        ({"id": 2, "method": "score", "params": {"row": few}}, 2, "distance"),
        ({"id": 2, "method": "score_batch", "params": {"rows": 5}}, 2, "list of rows"),
        ({"id": 2, "method": "get_hash", "params": {"x": 1}}, 2, "takes no params"),
        ({"id": 2, "method": "score", "params": {"row": records[0], "x": 1}}, 2, "'x'"),
    ):
        answer = post(json.dumps(body))
        assert answer.status_code == 200
        found = answer.json()
        assert (found["id"], found["error"]["code"]) == (request_id, 1)
        assert told in found["error"]["message"]
    assert post(b'{"id": 1,').json()["error"]["code"] == -32700
    assert server.client.get("/rpc").status_code == 405


@pytest.mark.parametrize("text", ["São Paulo", "a\nb", 'q"q', "back\\slash", "😀", "\u0416"])
def test_texts_reach_the_pipeline_as_they_are(server, records, text):
    """The original breaks each of these; a refusal shows what has arrived."""
    row = {**records[0], "distance": text}
    shown = json.dumps(text, ensure_ascii=not text.isprintable())
    for body in (
        json.dumps({"id": 1, "method": "score", "params": {"row": row}}),
        json.dumps({"id": 1, "method": "score", "params": {"row": row}}, ensure_ascii=False),
    ):
        found = server.client.post("/rpc", content=body.encode(), headers=TYPE).json()
        assert f"column distance: {shown} (it is text" in found["error"]["message"]


def test_nan_is_null_in_and_out(server, records):
    """Python's own clients write missing numbers so."""
    body = json.dumps({"id": 1, "method": "score", "params": {"row": records[0]}})
    number = json.dumps(records[0]["distance"])
    with_nan = body.replace(f'"distance": {number}', '"distance": NaN')
    with_null = body.replace(f'"distance": {number}', '"distance": null')
    assert with_nan != body
    found = [
        server.client.post("/rpc", content=sent, headers=TYPE).json()["result"]
        for sent in (with_nan, with_null)
    ]
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def strict(serve, export):
    """A server as the original is."""
    return serve(export(), "--strict-dai")


def test_strict_is_as_broken_as_the_original(strict, records, own):
    """Compact ASCII passes; lines, quotes and accents end in status 500."""
    doubles = [float(value) for value in own[0].values()]
    compact = {"id": 1, "method": "score", "params": {"row": records[0]}}
    post = lambda content: strict.client.post("/rpc", content=content, headers=TYPE)  # noqa: E731
    assert post(json.dumps(compact)).json()["result"] == doubles
    row = {**records[0], "carrier": "é"}
    for content in (
        json.dumps(compact, indent=1),
        json.dumps({**compact, "params": {"row": row}}, ensure_ascii=False).encode(),
        b'{"id": 1,',
    ):
        answer = post(content)
        assert answer.status_code == 500
        assert "500: Internal Server Error" in answer.text
