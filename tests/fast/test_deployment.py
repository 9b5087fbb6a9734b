"""The files of deploy/: each is read by its own schema, and its command line by ours."""

import copy
import json
import re
import shlex
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KSERVE = DEPLOY / "kserve" / "inference-service.yaml"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
# Fields of `predictor` in KServe's own definition of v1beta1 that a pod has not.
KSERVE_FIELDS = {
    *("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "containerConcurrency"),
    *("timeout", "canaryTrafficPercent", "logger", "batcher", "labels", "annotations"),
}
NAME = "scoring"
# Paths that want no token.
OPEN_PATHS = ("/live", "/ready", "/v2/health/live", "/v2/health/ready")
OWN_NAMES = {"labels", "annotations", "matchLabels", "limits", "requests", "environment"}

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="the schemas' tools are in the lane of Python 3.10 and later"
)


def documents(path):
    """The objects of a file."""
    import yaml

    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def check_kubernetes(found):
    """Hold an object against Kubernetes' own schema; fields that it does not know are errors."""
    import kubernetes_validate

    kubernetes_validate.validate(found, "1.34", strict=True)


def check_kserve(found):
    """Hold an InferenceService against Kubernetes' schema of a pod, which its predictor is."""
    assert set(found) == {"apiVersion", "kind", "metadata", "spec"}
    assert (found["apiVersion"], found["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    assert set(found["spec"]) == {"predictor"}
    predictor = found["spec"]["predictor"]
    pod = {name: value for name, value in predictor.items() if name not in KSERVE_FIELDS}
    check_kubernetes(
        {"apiVersion": "v1", "kind": "Pod", "metadata": found["metadata"], "spec": pod}
    )


def check_vendored(name, found):
    """Hold a document against a schema that check-jsonschema ships."""
    from jsonschema.validators import validator_for

    file = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    schema = json.loads(file.read_text("utf-8"))
    validator_for(schema)(schema).validate(found)


def serve_arguments(words):
    """What our own parser makes of a container's words."""
    from dai_spark.cli.main import _parser

    return _parser().parse_args([str(word) for word in words])


def broken(found):
    """The same object with a field that nobody knows, in turn at each depth of its `spec`."""

    def places(node, way=()):
        if isinstance(node, dict):
            yield way
            for name, value in node.items():
                # Names of labels and limits are the user's own.
                if name not in OWN_NAMES:
                    yield from places(value, (*way, name))
        elif isinstance(node, list):
            for number, value in enumerate(node):
                yield from places(value, (*way, number))

    for way in places(found):
        other = copy.deepcopy(found)
        node = other
        for step in way:
            node = node[step]
        node["replicaz"] = 1
        yield way, other


def is_refused(check, found):
    """Whether a check fails, and by the field that nobody knows."""
    try:
        check(found)
    except Exception as error:  # noqa: BLE001 - each tool has its own
        assert "replicaz" in str(error)
        return True
    return False


@pytest.mark.parametrize("path", [*KUBERNETES, KSERVE], ids=lambda path: path.stem)
def test_kubernetes_knows_every_field(path):
    """Each object is valid, and is not with one field more, wherever that stands."""
    check = check_kserve if path == KSERVE else check_kubernetes
    for found in documents(path):
        check(found)
        n_broken = 0
        for way, other in broken(found):
            assert is_refused(check, other), f"{path.name} may have any field at {way}"
            n_broken += 1
        assert n_broken > 3


def test_compose_knows_every_field():
    """The compose specification's own schema."""
    from jsonschema import ValidationError

    (found,) = documents(COMPOSE)
    check_vendored("compose-spec", found)
    for way in (("services", "server"), ()):
        other = copy.deepcopy(found)
        node = other
        for step in way:
            node = node[step]
        node["replicaz"] = 1
        with pytest.raises(ValidationError, match="replicaz"):
            check_vendored("compose-spec", other)


def test_github_knows_every_field():
    """GitHub's own schema of workflows; no step has a token on its command line."""
    import yaml
    from jsonschema import ValidationError

    text = (DEPLOY / "ci" / "serving-image.yml").read_text(encoding="utf-8")
    # YAML 1.1 takes the word `on` for a truth.
    found = {"on" if name is True else name: value for name, value in yaml.safe_load(text).items()}
    check_vendored("github-workflows", found)
    for way in ((), ("jobs", "image"), ("jobs", "image", "steps", 0)):
        other = copy.deepcopy(found)
        node = other
        for step in way:
            node = node[step]
        node["replicaz"] = 1
        with pytest.raises(ValidationError, match="replicaz"):
            check_vendored("github-workflows", other)
    steps = found["jobs"]["image"]["steps"]
    commands = "".join(step.get("run", "") for step in steps)
    assert "${{" not in commands
    (line,) = (line for line in commands.splitlines() if '"$IMAGE" serve' in line)
    assert serve_arguments(shlex.split(line)[1:]).license_file == "/secrets/license.sig"


def test_what_is_mounted_is_there():
    """Compose's files of this project, and Prometheus' target is the server's name and port."""
    (found,) = documents(COMPOSE)
    for service in found["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            if source.startswith(".") and source != "./models":
                assert (COMPOSE.parent / source).is_file(), source
    (prometheus,) = documents(COMPOSE.parent / "prometheus.yml")
    (job,) = prometheus["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["server:8080"]
    assert serve_arguments(found["services"]["server"]["command"]).port == 8080
    assert prometheus["rule_files"] == ["alerts.yml"]


def containers():
    """Each container of ours, and the volumes of its pod."""
    (deployment,) = documents(DEPLOY / "kubernetes" / "deployment.yaml")
    (service,) = documents(KSERVE)
    pod = deployment["spec"]["template"]["spec"]
    predictor = service["spec"]["predictor"]
    return [(pod["containers"][0], pod), (predictor["containers"][0], predictor)]


@pytest.mark.parametrize("number", [0, 1], ids=["kubernetes", "kserve"])
def test_the_command_line_is_ours(number):
    """It parses; it listens where probes ask; its secrets are below folders that are mounted."""
    container, pod = containers()[number]
    arguments = serve_arguments(container["args"])
    assert arguments.host == "0.0.0.0"
    port = container["ports"][0]
    assert arguments.port == port["containerPort"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in (port["containerPort"], port.get("name"))
        assert container[probe]["httpGet"]["path"] in OPEN_PATHS
    mounts = [one["mountPath"] for one in container["volumeMounts"]]
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }
    variables = {one["name"]: one["value"] for one in container["env"]}
    files = [arguments.license_file, arguments.token_file, variables.get("REGISTRY_AUTH_FILE")]
    for file in filter(None, files):
        assert str(Path(file).parent) in mounts
    assert str(Path(variables["DAI_SPARK_CACHE"]).parent) in mounts
    # Nothing secret stands in a variable.
    assert not [name for name in variables if re.search("TOKEN|KEY$|PASSWORD", name)]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True


def test_kubernetes_objects_mean_the_same_pods():
    """Selectors find the pods; the metric is the server's; draining ends before a kill."""
    found = {one["kind"]: one for path in KUBERNETES for one in documents(path)}
    pods = found["Deployment"]["spec"]["template"]
    labels = pods["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels
    for kind in ("PodDisruptionBudget", "NetworkPolicy", "Deployment"):
        spec = found[kind]["spec"]
        assert (spec.get("selector") or spec["podSelector"])["matchLabels"] == labels
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"] == NAME
    (metric,) = scaler["metrics"]
    metrics = (ROOT / "dai_spark" / "serving" / "watch" / "server_metrics.py").read_text()
    assert metric["pods"]["metric"]["name"] in metrics
    container = pods["spec"]["containers"][0]
    before_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = serve_arguments(container["args"]).drain_s
    assert pods["spec"]["terminationGracePeriodSeconds"] > before_s + drain_s
    (port,) = found["NetworkPolicy"]["spec"]["ingress"][0]["ports"]
    assert port["port"] == container["ports"][0]["containerPort"]
