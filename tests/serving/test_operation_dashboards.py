"""The dashboard and the alerts ask for metrics and labels that a server has."""

import json
import re
from pathlib import Path

import pytest
import yaml
from metrics_text import metrics_of

IMAGE = Path(__file__).resolve().parents[2] / "image"
# What Prometheus itself gives to each sample, and to a bucket.
ADDED = {"job", "instance", "le"}


def expressions(file):
    """All that Prometheus is asked."""
    if file.suffix == ".yml":
        rules = [
            rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
        ]
        return [rule["expr"] for rule in rules]
    board = json.loads(file.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return asked + [
        one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"
    ]


@pytest.fixture(scope="module")
def known(server_of_two, records):
    """Metrics of a server with all that it can have, and the labels of each."""
    server = server_of_two
    assert server.client.post("/predict", json=records).status_code == 200
    described = set(re.findall(r"^# TYPE (\S+) ", server.client.get("/metrics").text, re.MULTILINE))
    labels = {name: set() for name in described}
    for name, has in metrics_of(server):
        labels.setdefault(name, set()).update(label for label, _ in has)
    # They have no sample before enough rows were looked at.
    for name, label in (
        ("dai_spark_input_psi", "column"),
        ("dai_spark_input_out_of_range_ratio", "column"),
        ("dai_spark_input_missing_ratio", "column"),
        ("dai_spark_prediction_psi", "prediction"),
        ("dai_spark_shadow_largest_difference", "prediction"),
    ):
        assert name in described
        labels[name] = {label}
    return described, labels


@pytest.mark.parametrize("file", ["grafana.json", "alerts.yml"])
def test_all_that_is_asked_is_there(known, file):
    """By name, and by the labels that it is chosen or summed by."""
    described, labels = known
    asked = expressions(IMAGE / file)
    assert len(asked) > 8
    for expression in asked:
        names = set(re.findall(r"\b((?:dai_spark|process)_\w+)", expression))
        assert names, expression
        has = set(ADDED)
        for name in names:
            family = re.sub(r"_bucket$", "", name)
            assert name in labels or family in described, f"{name} is no metric of a server"
            has |= labels.get(name, set())
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            wanted = {label.strip() for label in group.split(",")}
            assert wanted <= has, expression
        matched = set(re.findall(r'[{,](\w+)(?:=~|!~|!=|=)"', expression))
        assert matched <= has, expression


def test_all_that_a_server_tells_is_shown(known):
    """A metric that no panel has would be looked at by nobody."""
    described, _ = known
    shown = " ".join(expressions(IMAGE / "grafana.json"))
    not_shown = {
        name
        for name in described
        if name.startswith("dai_spark_") and not re.search(rf"\b{name}(_bucket)?\b", shown)
    }
    assert not_shown <= {
        "dai_spark_request_seconds_created",
        "dai_spark_requests_created",
        "dai_spark_rows_created",
        "dai_spark_log_files_total",
        "dai_spark_drift_rows",
    }


def test_alerts_are_as_prometheus_has_them():
    """Names are unique; each says what is wrong and what to do."""
    (group,) = yaml.safe_load((IMAGE / "alerts.yml").read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names)
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
