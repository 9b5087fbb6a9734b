"""The Open Inference Protocol over HTTP, by Triton's own client and by JSON."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def client(server):
    """Triton's client."""
    import tritonclient.http as triton

    found = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def name(server):
    """What the model is called."""
    return server.client.get("/v1/models").json()["models"][0]


@pytest.fixture(scope="module")
def kinds(client, name):
    """The types of its inputs."""
    told = client.get_model_metadata(name)
    assert (told["name"], told["platform"]) == (name, "driverless_ai")
    assert [kind["name"] for kind in told["outputs"]] == ["late.no", "late.yes"]
    assert {kind["datatype"] for kind in told["outputs"]} == {"FP32"}
    return {kind["name"]: kind["datatype"] for kind in told["inputs"]}


def tensors(kinds, rows, is_raw):
    """Triton's inputs of a frame: NaN is missing, and of texts a tensor says so."""
    import tritonclient.http as triton

    found = []

    def add(column, values, datatype):
        one = triton.InferInput(column, [len(rows), 1], datatype)
        one.set_data_from_numpy(values.reshape(-1, 1), binary_data=is_raw)
        found.append(one)

    for column, datatype in kinds.items():
        if datatype == "BYTES":
            is_null = rows[column].isna().to_numpy()
            add(column, rows[column].fillna("").to_numpy(dtype=object), datatype)
            if is_null.any():
                add(f"{column}.is_null", is_null, "BOOL")
        else:
            add(column, rows[column].to_numpy(dtype="f8"), datatype)
    return found


@pytest.mark.parametrize("asked", [None, True, False])
def test_tritons_own_client(client, name, kinds, rows, own, asked):
    """Raw bytes behind the JSON, and answers raw, as JSON, or as the client does by itself."""
    import tritonclient.http as triton

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(name)
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    outputs = None
    if asked is not None:
        outputs = [
            triton.InferRequestedOutput(column, binary_data=asked)
            for column in ("late.yes", "late.no")
        ]
    answer = client.infer(name, tensors(kinds, rows, True), outputs=outputs, request_id="mine")
    assert answer.get_response()["id"] == "mine"
    is_raw = {"data" not in output for output in answer.get_response()["outputs"]}
    assert is_raw == {asked is not False}
    for column in ("late.no", "late.yes"):
        found = answer.as_numpy(column)
        assert (found.dtype, found.shape) == (np.float32, (len(rows), 1))
        assert found[:, 0].tolist() == [float(row[column]) for row in own]
    if outputs is not None:
        told = [output["name"] for output in answer.get_response()["outputs"]]
        assert told == ["late.yes", "late.no"]


def body_of(kinds, records):
    """The same as JSON, nulls as they are."""
    return {
        "inputs": [
            {
                "name": column,
                "datatype": datatype,
                "shape": [len(records)],
                "data": [row[column] for row in records],
            }
            for column, datatype in kinds.items()
        ]
    }


def test_json_alone(server, name, kinds, records, own):
    """Null is missing, options are parameters, and a version may be named."""
    version = server.client.get(f"/v2/models/{name}").json()["versions"][0]
    body = body_of(kinds, records)
    for path in (f"/v2/models/{name}/infer", f"/v2/models/{name}/versions/{version}/infer"):
        answer = server.client.post(path, json=body)
        assert answer.headers["content-type"] == "application/json"
        found = {output["name"]: output["data"] for output in answer.json()["outputs"]}
        for column, values in found.items():
            assert list(map(np.float32, values)) == [row[column] for row in own]
    options = {"parameters": {"labels": True, "content_type": "pd"}}
    outputs = server.client.post(path, json={**body, **options}).json()["outputs"]
    (labels,) = (output for output in outputs if output["name"] == "label")
    assert labels["datatype"] == "BYTES"
    assert set(labels["data"]) == {"no", "yes"} or set(labels["data"]) == {"no"}
    nested = json.loads(json.dumps(body))
    for tensor in nested["inputs"]:
        tensor["shape"], tensor["data"] = [len(records), 1], [[one] for one in tensor["data"]]
    again = server.client.post(path, json=nested).json()["outputs"]
    assert again == answer.json()["outputs"]


@pytest.mark.parametrize(
    ("datatype", "value", "why"),
    [
        ("FP64", "1545", "the tensor is of FP64"),
        ("FP64", True, "the tensor is of FP64"),
        ("FP32", 16777217, "FP32 would round it"),
        ("FP64", 9007199254740993, "FP64 would round it"),
        ("FP32", 1e300, "beyond the tensor's type"),
        ("INT64", 5.9, "the tensor is of INT64"),
        ("INT8", 300, "beyond INT8"),
        ("BOOL", 1, "the tensor is of BOOL"),
        ("BYTES", 7, "JSON has as texts"),
        ("FP99", 1, "which is none of"),
    ],
)
def test_a_value_is_of_its_tensors_type_or_refused(
    server, name, kinds, records, datatype, value, why
):
    """By row, column and value: numpy would have cut, rounded or read each of them."""
    body = body_of(kinds, records[:3])
    (distance,) = (one for one in body["inputs"] if one["name"] == "distance")
    distance.update(datatype=datatype, data=[None, None, value])
    answer = server.client.post(f"/v2/models/{name}/infer", json=body)
    assert answer.status_code == 400
    told = answer.json()["error"]
    assert why in told
    if datatype != "FP99":
        assert "row 2, column distance" in told


def test_what_is_no_request_is_told(server, name, kinds, records):
    """Other models, tensors that do not fit, bytes that are not there."""
    get, post = server.client.get, server.client.post
    path = f"/v2/models/{name}/infer"
    for found in (get("/v2/models/x"), get(f"/v2/models/{name}/versions/7/ready")):
        assert (found.status_code, "There is no model" in found.json()["error"]) == (404, True)
    body = body_of(kinds, records[:2])
    first = body["inputs"][0]
    for wrong in (
        {},
        [],
        {"inputs": [7]},
        {"inputs": [{"name": "x"}]},
        {"inputs": body["inputs"][1:]},
        {"inputs": [{**first, "shape": [3]}, *body["inputs"][1:]]},
        {"inputs": [{**first, "shape": "x"}, *body["inputs"][1:]]},
        {"inputs": [{**first, "data": None}, *body["inputs"][1:]]},
        {"inputs": [{**first, "parameters": {"binary_data_size": 9}}, *body["inputs"][1:]]},
        {**body, "outputs": [{"name": "no"}]},
        {**body, "outputs": [{}]},
        {**body, "parameters": {"no": 1}},
        {**body, "parameters": 7},
    ):
        answer = post(path, json=wrong)
        assert answer.status_code == 400, wrong
        assert answer.json()["error"].endswith(".")
    for told in ("x", "-1", "99999999"):
        header = {"Inference-Header-Content-Length": told}
        assert post(path, json=body, headers=header).status_code == 400
    behind = post(
        path,
        content=json.dumps(body).encode() + b"more",
        headers={"Inference-Header-Content-Length": str(len(json.dumps(body)))},
    )
    assert (behind.status_code, "4 bytes behind" in behind.json()["error"]) == (400, True)
