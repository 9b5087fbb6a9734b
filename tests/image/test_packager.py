"""Images of `dai-spark image build`, built, pushed, pulled back and run by Odahu's own commands."""

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import yaml
from free_port import free_port
from oci_registries import OciServer

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

N_ROWS = 20
# The registry's user; the last is what `htpasswd -B` makes of the password.
USER, PASSWORD = "robot", "pass-word-of-the-registry"
HASHED = "$2b$05$abcdefghijklmnopqrstuuBqz6caJ9um0L9e269ZweMY4VzkOQyrq"
# What the fixture `engine` makes.
BASE = "localhost/debian:bookworm-slim"
PYTHON_BASE = "localhost/python-base:test"
PYTHON_DOCKERFILE = """\
FROM {base}
RUN apt-get update -qq \
 && apt-get install -qq --yes --no-install-recommends python3 python3-pip ca-certificates \
 && rm -rf /var/lib/apt/lists/*
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A registry's host and port, with a folder in it."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "htpasswd").write_text(f"{USER}:{HASHED}\n")
    server = OciServer(folder, folder / "htpasswd")
    yield f"{server.address}/project/odahuflow"
    server.close()


@pytest.fixture(scope="module")
def folder(export, rows, place, tmp_path_factory):
    """What a user of Odahu has: the zip, connections, and a volume with rows to predict."""
    folder = tmp_path_factory.mktemp("odahu")
    shutil.copy(export(), folder / "wine-model-123456789.zip")
    (folder / "password").write_text(PASSWORD)
    spec = {"type": "docker", "uri": place, "username": USER, "passwordFile": "password"}
    connection = {"id": "test-docker-registry", "spec": spec}
    (folder / "connections.yaml").write_text(yaml.safe_dump(connection))
    (folder / "volume").mkdir()
    (folder / "volume").chmod(0o777)
    (folder / "volume" / "predicts.json").write_text(json.dumps(odahu(rows)))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def rows(flights):
    """A few flights, some with missing values."""
    return flights.iloc[:: len(flights) // N_ROWS].reset_index(drop=True)


@pytest.fixture(scope="module")
def own(own_scores, export, rows):
    """The pipeline's own scores of them."""
    return own_scores(export(), rows)


def odahu(rows):
    """Rows as Odahu's clients write them."""
    split = json.loads(rows.to_json(orient="split", double_precision=15))
    return {"columns": split["columns"], "data": split["data"]}


def is_own(answer, own):
    """Whether an answer has the pipeline's own bits."""
    found = np.asarray(answer["prediction"], dtype="float32")
    return answer["columns"] == list(own.columns) and np.array_equal(
        found, own.to_numpy(dtype="float32")
    )


@pytest.fixture(scope="module")
def pack(engine, folder, serving_image, packed_environment):
    """A function that runs `dai-spark image build`, as a user does, and returns what it did."""

    def run(*words, base=serving_image, tool="buildah", check=True, **variables):
        command = [sys.executable, "-m", "dai_spark", "image", "build", *map(str, words)]
        command += ["--engine", tool, "--connections", "connections.yaml"]
        if base is not None:
            command += ["--dockerfile-base-image", base]
        # Engines run in a container here, which may not make namespaces.
        variables = {"BUILDAH_ISOLATION": "chroot", **variables}
        done = engine.run(*command, cwd=folder, timeout_s=900, check=False, **variables)
        assert not check or done.returncode == 0, done.stderr[-4000:]
        assert PASSWORD not in done.stdout + done.stderr
        return done

    return run


def image_of(done):
    """The image that a run names."""
    (entity,) = json.loads(done.stdout)
    return {one["name"]: one["value"] for one in entity["status"]["results"]}


@pytest.fixture(scope="module")
def rest(pack, folder):
    """The seed's REST packaging, with its target: pushed."""
    spec = {
        "integrationName": "docker-rest",
        "artifactName": "wine-model-123456789.zip",
        "targets": [{"connectionName": "test-docker-registry", "name": "docker-push"}],
        "arguments": {"imageName": "wine-test:prefix-{{ RandomUUID }}", "workers": 2},
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
    }
    document = {"id": "docker-rest-packager-example", "spec": spec}
    (folder / "pack.yaml").write_text(yaml.safe_dump(document))
    return image_of(pack("-f", "pack.yaml", "--format", "json"))


@pytest.fixture(scope="module")
def cli(pack):
    """The seed's CLI packaging, by flags."""
    words = ("wine-model-123456789.zip", "--integration", "docker-cli", "--format", "json")
    return image_of(pack(*words, "--image-name", "wine-cli:1", tool="podman"))["image"]


@pytest.fixture(scope="module")
def serve(engine, license_text):
    """A function that runs an image as the seed does, on the host's network; gives its URL."""
    names = []

    def start(image, *words):
        name, port = f"packager-{len(names)}", free_port()
        engine.podman(
            *("run", "--detach", "--name", name, "--pull", "never", "--net", "host"),
            *("--no-healthcheck", "--env", "DRIVERLESS_AI_LICENSE_KEY", image),
            *("--port", port, *words),
            DRIVERLESS_AI_LICENSE_KEY=license_text,
        )
        names.append(name)
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 120
        while ask(url, "/ready")[0] != 200:
            assert time.monotonic() < end, engine.podman("logs", name, check=False).stderr
            time.sleep(0.3)
        return url

    yield start
    for name in names:
        engine.podman("rm", "--force", "--time", "5", name, check=False)


def ask(url, path, body=None):
    """Status and content of an answer; 0 where there is none."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def test_a_server_pushed_and_pulled_back_answers_with_the_pipelines_bits(
    rest, place, engine, serve, rows, own, folder
):
    """The seed's pack file; what the registry has is what was built; its two URLs, and health."""
    image = rest["image"]
    assert image.startswith(f"{place}/wine-test:prefix-")
    engine.podman("rmi", image)
    login = folder / "login.json"
    words = ("--authfile", login, "--tls-verify=false")
    user = ("--username", USER, "--password-stdin")
    host = place.partition("/")[0]
    with (folder / "password").open() as word:
        command = ["podman", "login", *map(str, words), *user, host]
        subprocess.run(command, stdin=word, env=engine.environment, check=True, timeout=60)
    engine.podman("pull", *words, image, timeout_s=600)
    (told,) = json.loads(engine.podman("image", "inspect", image).stdout)
    assert told["Id"] == rest["id"].partition(":")[2]
    assert told["Digest"] == rest["digest"]
    assert told["User"] == "185:0"
    assert told["Labels"]["dai_spark.resources.limits.memory"] == "1Gi"
    url = serve(image)
    info = json.loads(ask(url, "/api/model/info")[1])
    assert info["info"]["title"] == told["Labels"]["org.opencontainers.image.title"]
    status, content = ask(url, "/api/model/invoke", odahu(rows))
    assert status == 200
    assert is_own(json.loads(content), own)
    assert {ask(url, path)[0] for path in ("/live", "/ready", "/metrics")} == {200}


def test_a_server_ends_a_call_that_takes_too_long(pack, serve, rows):
    """By the argument, which stands among the image's own words; what is typed behind it wins."""
    words = ("wine-model-123456789.zip", "--image-name", "wine-late:1", "--format", "json")
    image = image_of(pack(*words, "--timeout", 1))["image"]
    url = serve(image, "--timeout-s", "0.0001")
    assert ask(url, "/api/model/invoke", odahu(rows))[0] == 504


def test_commands_of_an_image_are_the_seeds(cli, engine, folder, rows, own, license_text):
    """--help, info, and predict of a mounted volume, whose result has the pipeline's own bits."""
    words = ("run", "--rm", "--net", "host", "--pull", "never")
    licence = ("--env", "DRIVERLESS_AI_LICENSE_KEY")
    told = engine.podman(*words, cli, "--help").stdout
    assert {"predict", "info"} <= set(told.split())
    known = {"DRIVERLESS_AI_LICENSE_KEY": license_text}
    told = engine.podman(*words, *licence, cli, "info", **known).stdout
    before, _, after = told.partition("Output schema:")
    assert json.loads(before.replace("Input schema:", ""))["data"]["example"]
    assert json.loads(after)["columns"]["example"] == list(own.columns)
    without = engine.podman(*words, cli, "info").stdout
    assert "wants its licence" in without.partition("Output schema:")[2]
    volume = ("--volume", f"{folder / 'volume'}:/volume")
    engine.podman(
        *words, *licence, *volume, cli, "predict", "/volume/predicts.json", "/volume", **known
    )
    assert is_own(json.loads((folder / "volume" / "result.json").read_text()), own)


def test_equal_inputs_give_an_equal_image(pack, engine, export, license_text):
    """Built anew, without a step of the first build; and no licence is in it."""
    # Of a pipeline that no other test has an image of, so that no step is shared.
    words = (export(n_trees=3), "--integration", "docker-cli", "--format", "json")
    named = ("--image-name", "wine-same:{{ Version }}")
    first = image_of(pack(*words, *named))
    engine.podman("rmi", "--force", first["image"])
    again = pack(*words, *named)
    assert "Using cache" not in again.stderr
    assert image_of(again) == first
    other = image_of(pack(*words, *named, SOURCE_DATE_EPOCH="1700000000"))
    assert (other["image"], other["id"] != first["id"]) == (first["image"], True)
    (told,) = json.loads(engine.podman("image", "inspect", other["image"]).stdout)
    assert told["Created"].startswith("2023-11-14T22:13:20")
    assert license_text not in json.dumps(told)


def test_equal_servers_have_equal_layers_and_settings(pack, engine, export):
    """Docker's format, which has their HEALTHCHECK, names the container that built each."""
    told = []
    for _ in range(2):
        words = (export(n_trees=3), "--image-name", "wine-same-server:1", "--format", "json")
        image = image_of(pack(*words))["image"]
        (found,) = json.loads(engine.podman("image", "inspect", image).stdout)
        told.append([found[name] for name in ("RootFS", "Config", "Created", "History")])
        engine.podman("rmi", "--force", image)
    assert told[0] == told[1]


def test_a_wrong_password_is_one_sentence_that_shows_none(pack, place, tmp_path, cli):
    """By an auth file; the image is there all the same."""
    auth = {"auths": {place.partition("/")[0]: {"auth": "cm9ib3Q6aGlkZGVu"}}}
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    words = ("wine-model-123456789.zip", "--integration", "docker-cli", "--push", place)
    done = pack(*words, "--authfile", tmp_path / "auth.json", check=False)
    assert done.returncode == 1
    assert "cannot be pushed: buildah ends with" in done.stderr
    assert "hidden" not in done.stderr
    assert "cm9ib3Q6aGlkZGVu" not in done.stderr


def test_a_base_is_pulled_by_its_connection_and_refused_by_a_step(
    pack, place, engine, packed_environment
):
    """What no name tells the first step tells: it has no Python."""
    base = f"{place}/debian:1"
    engine.run(
        *("skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds"),
        *(f"{USER}:{PASSWORD}", f"containers-storage:{BASE}", f"docker://{base}"),
        timeout_s=300,
    )
    words = ("wine-model-123456789.zip", "--pull", "test-docker-registry")
    done = pack(*words, "--env", packed_environment.path, base=base, check=False)
    assert engine.podman("image", "exists", base, check=False).returncode == 0
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if "was not built" in line]
    assert "dai_spark: the base image has no python3" in said


@pytest.mark.parametrize("form", ["docker-archive", "oci"])
def test_an_image_is_written_into_a_file(pack, engine, cli, tmp_path, form):
    """Whole, with the same configuration where the form can hold it."""
    words = ("wine-model-123456789.zip", "--integration", "docker-cli", "--format", "json")
    tar = tmp_path / "image.tar"
    found = image_of(pack(*words, "--save", tar, "--save-format", form))
    assert found["file"] == str(tar)
    transport = "oci-archive" if form == "oci" else form
    told = json.loads(engine.run("skopeo", "inspect", "--config", f"{transport}:{tar}").stdout)
    assert told["config"]["User"] == "185:0"
    assert told["config"]["Entrypoint"][-1] == "model"
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]


def test_another_base_gets_all_that_is_needed(
    pack, engine, serve, rows, own, packed_environment, folder
):
    """Package, lock and environment; the same bits as everywhere."""
    context = folder / "python-base"
    context.mkdir()
    (context / "Dockerfile").write_text(PYTHON_DOCKERFILE.format(base=BASE))
    engine.run(
        *("buildah", "build", "--isolation", "chroot", "--layers", "--pull-never"),
        *("--tag", PYTHON_BASE, context),
        timeout_s=600,
    )
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    words = ("wine-model-123456789.zip", "--image-name", "wine-python:1", "--format", "json")
    done = pack(*words, "--env", packed_environment.path, base=PYTHON_BASE, PIP_CERT=bundle)
    assert "/opt/conda/envs/dai-1.10" in done.stderr
    url = serve(image_of(done)["image"])
    status, content = ask(url, "/api/model/invoke", odahu(rows))
    assert status == 200
    assert is_own(json.loads(content), own)
