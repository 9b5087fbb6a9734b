"""What protocols say of several classes, and of a number: names of features, groups, labels."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def classes(serve, export):
    """A server of a pipeline of several classes."""
    return serve(export(kind="multinomial"))


@pytest.fixture(scope="module")
def number(serve, export):
    """A server of a regression."""
    return serve(export(kind="regression"))


def rpc(server, method, params=None):
    """A result of JSON-RPC."""
    body = {"id": 1, "method": method, "params": params or {}}
    return server.client.post("/rpc", json=body).json()["result"]


def test_features_of_several_classes(classes, records):
    """Each name once; a contribution for each of them and the bias, for each class."""
    labels = rpc(classes, "get_target_labels")
    features = rpc(classes, "get_transformed_column_names")
    assert len(labels) > 2
    assert len(features) == len(set(features))
    assert not any(name.endswith(f".{label}") for name in features for label in labels)
    found = rpc(classes, "score", {"row": records[0], "pred_contribs": True})
    assert len(found) == (len(features) + 1) * len(labels)
    assert len(rpc(classes, "score", {"row": records[0]})) == len(labels)


def test_contributions_of_several_classes(classes, records):
    """MOJO's form has a group for each class; with the bias each adds up to its margin."""
    body = {
        "fields": list(records[0]),
        "rows": [["" if v is None else str(v) for v in row.values()] for row in records[:4]],
        "requestShapleyValueType": "TRANSFORMED",
    }
    answer = classes.client.post("/model/score", json=body).json()
    given = answer["featureShapleyContributions"]
    labels = rpc(classes, "get_target_labels")
    assert [group["outputGroupName"] for group in given["contributionGroups"]] == labels
    features = rpc(classes, "get_transformed_column_names")
    assert given["features"] == [*features, "bias"]
    margins = rpc(classes, "score_batch", {"rows": records[:4], "output_margin": True})
    for i, group in enumerate(given["contributionGroups"]):
        sums = [sum(map(float, row)) for row in group["contributions"]]
        assert np.allclose(sums, [row[i] for row in margins], atol=1e-4)


def test_a_number_has_no_labels(number, records):
    """An empty list, as the original has it; one value a row in every protocol."""
    assert rpc(number, "get_target_labels") == []
    (value,) = rpc(number, "score", {"row": records[0]})
    (answered,) = number.client.post("/predict", json=records[:1]).json()
    assert np.float32(value) == np.float32(next(iter(answered.values())))
    split = {"columns": list(records[0]), "data": [list(records[0].values())]}
    found = number.client.post("/api/model/invoke", json=split).json()
    assert (len(found["columns"]), len(found["prediction"][0])) == (1, 1)
