"""Odahu, KServe's first protocol and MOJO's REST: rows in each one's own form."""

import json
import subprocess

import numpy as np
import pytest

from dai_spark.artifacts.pipeline import ScoringPipeline


def bits(rows):
    """Rows as float32."""
    return [[np.float32(value) for value in row] for row in rows]


@pytest.fixture(scope="module")
def split(records):
    """The rows as columns and data."""
    return {"columns": list(records[0]), "data": [list(row.values()) for row in records]}


@pytest.fixture(scope="module")
def lists(own):
    """The pipeline's own scores as lists."""
    return [list(row.values()) for row in own]


def test_odahus_calls_of_curl(server, split, lists):
    """Both calls of its page: the info names the body, and invoke takes it."""
    run = lambda *words: json.loads(  # noqa: E731
        subprocess.run(["curl", "-sS", *words], capture_output=True, check=True, timeout=60).stdout
    )
    info = run(f"{server.url}/api/model/info")
    assert info["swagger"] == "2.0"
    post = info["paths"]["/api/model/invoke"]["post"]
    properties = post["parameters"][0]["schema"]["properties"]
    example = {name: properties[name]["example"] for name in ("columns", "data")}
    url = f"{server.url}/api/model/invoke"
    kind = ("-H", "Content-Type: application/json")
    answer = run("-X", "POST", "-d", json.dumps(example), *kind, url)
    shown = post["responses"]["200"]["schema"]["properties"]
    assert answer.keys() == shown.keys()
    assert answer["columns"] == shown["columns"]["example"] == ["late.no", "late.yes"]
    assert len(answer["prediction"]) == len(example["data"])
    answer = run("-X", "POST", "-d", json.dumps(split), *kind, url)
    assert bits(answer["prediction"]) == lists


def test_odahu_refuses_in_a_sentence(server, split):
    """Each with a status; options stand in the query."""
    post = lambda body, query="": server.client.post(  # noqa: E731
        "/api/model/invoke" + query, json=body
    )
    for body, told in (
        ({"columns": split["columns"]}, '"data"'),
        ([], '"columns"'),
        ({**split, "data": [[1]]}, "1 values for"),
        ({**split, "columns": split["columns"][1:]}, "values for"),
    ):
        answer = post(body)
        assert answer.status_code == 400
        assert told in answer.json()["message"]
    assert post(split, "?labels=true").json()["columns"][-1] == "label"
    assert post(split, "?labels=1.5").status_code == 400
    assert server.client.get("/healthcheck").status_code == 200
    page = server.client.get("/api/model/info", headers={"Accept": "text/html"})
    assert page.headers["location"].startswith("/docs")


def test_kserves_first_protocol(server, records, own):
    """Names, readiness and predictions; a model that is not here is 404."""
    name = server.client.get("/v1/models").json()["models"][0]
    assert server.client.get(f"/v1/models/{name}").json() == {"name": name, "ready": True}
    answer = server.client.post(f"/v1/models/{name}:predict", json={"instances": records})
    found = [[np.float32(value) for value in row.values()] for row in answer.json()["predictions"]]
    assert found == [list(row.values()) for row in own]
    for method, path in (("GET", "/v1/models/x"), ("POST", "/v1/models/x:predict")):
        answer = server.client.request(method, path, json={"instances": records})
        assert (answer.status_code, "'x'" in answer.json()["error"]) == (404, True)
    wrong = server.client.post(f"/v1/models/{name}:predict", json={"rows": records})
    assert (wrong.status_code, wrong.json()["error"][-1]) == (400, ".")


def texts_of(records):
    """Rows as a client of MOJO sends them."""
    return {
        "fields": list(records[0]),
        "rows": [["" if v is None else str(v) for v in row.values()] for row in records],
    }


def test_mojos_rest(server, export, records, lists):
    """Texts in, texts out, with the fields that are to be in the output."""
    pipeline = ScoringPipeline(export())
    body = texts_of(records)
    answer = server.client.post("/model/score", json=body).json()
    assert answer.keys() == {"id", "fields", "score"}
    assert (answer["id"], answer["fields"]) == (pipeline.experiment_id, ["late.no", "late.yes"])
    assert bits(answer["score"]) == lists
    assert all(isinstance(text, str) for row in answer["score"] for text in row)
    kept = {**body, "includeFieldsInOutput": ["carrier"], "idField": "flight"}
    answer = server.client.post("/model/score", json=kept).json()
    assert answer["fields"][:2] == ["flight", "carrier"]
    assert answer["score"][4][0] == str(records[4]["flight"])
    schema = server.client.get("/model/schema").json()["schema"]
    kinds = {field["name"]: field["dataType"] for field in schema["inputFields"]}
    assert (kinds["distance"], kinds["carrier"]) == ("Float64", "Str")
    assert [field["name"] for field in schema["outputFields"]] == ["late.no", "late.yes"]
    sample = server.client.get("/model/sample_request").json()
    assert len(server.client.post("/model/score", json=sample).json()["score"]) == 1
    assert server.client.get("/model/id").text == pipeline.experiment_id


@pytest.mark.parametrize(
    ("word", "option"), [("TRANSFORMED", "transformed"), ("ORIGINAL", "original")]
)
def test_mojos_contributions(server, records, word, option):
    """They are those of ``/predict``."""
    body = {**texts_of(records[:3]), "requestShapleyValueType": word}
    answer = server.client.post("/model/score", json=body).json()["featureShapleyContributions"]
    own = server.client.post(f"/predict?contributions={option}", json=records[:3]).json()
    assert [f"contrib_{name}" for name in answer["features"][:-1]] == list(own[0])[:-1]
    (group,) = answer["contributionGroups"]
    assert bits(group["contributions"]) == bits([row.values() for row in own])


def test_a_text_without_anything_is_missing(server, records):
    """It is null to the pipeline, which has another score for an empty text of this column."""
    rows = [{**records[0], "tailnum": tailnum, "manufacturer": tailnum} for tailnum in (None, "")]
    null, empty = server.client.post("/predict", json=rows).json()
    assert null != empty
    score = server.client.post("/model/score", json=texts_of(rows[:1])).json()["score"]
    assert bits(score) == bits([null.values()])


def test_mojo_refuses_in_a_sentence(server, records):
    """By row, column and value, also where JSON's own types do not fit."""
    body = texts_of(records[:2])
    place = body["fields"].index("distance")
    rows = [list(row) for row in body["rows"]]
    rows[1][place] = "far"
    for wrong, told in (
        ({**body, "rows": rows}, 'row 1, column distance: "far"'),
        ({**body, "rows": [[["x"] for _ in rows[0]]]}, "row 0, column"),
        ({**body, "rows": [rows[0][1:]]}, "texts for"),
        ({**body, "fields": [f"x{name}" for name in body["fields"]]}, "carrier"),
        ({"rows": []}, '"fields"'),
        ({**body, "idField": "no"}, "no fields"),
        ({**body, "requestShapleyValueType": "ALL"}, "TRANSFORMED"),
        ({**body, "requestPredictionIntervals": True}, "requestPredictionIntervals"),
    ):
        answer = server.client.post("/model/score", json=wrong)
        assert answer.status_code == 400, answer.text
        assert told in answer.json()["message"]
