"""The serving image, run as platforms run it: locked, offline, in little memory, to its end."""

import contextlib
import json
import os
import shutil
import threading
import time

import httpx
import pandas as pd
import pytest
from free_port import free_port
from scoring_server import same

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

PLACE = "/scoring/pipeline.zip"
# What a client beside the container would do; there is no way into it but from inside.
ASK = """
import json, sys, urllib.error, urllib.request
path, body = sys.argv[1], sys.argv[2].encode() or None
headers = {"Content-Type": "application/json"}
asked = urllib.request.Request("http://127.0.0.1:9090" + path, body, headers)
try:
    answer = urllib.request.urlopen(asked, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    print(json.dumps([0, str(error)]))
    sys.exit()
print(json.dumps([answer.status, answer.read().decode()]))
"""
N_ROWS = 20


class Served:
    """A container of the serving image, without a network."""

    def __init__(self, engine, name):
        self.engine, self.name = engine, name

    def ask(self, path, body=None):
        """Status and text of an answer; status 0 where there is none."""
        text = "" if body is None else json.dumps(body)
        done = self.engine.podman("exec", self.name, "python", "-c", ASK, path, text, check=False)
        assert done.stdout, self.logs()
        return json.loads(done.stdout)

    def logs(self):
        """What it has written so far."""
        done = self.engine.podman("logs", self.name, check=False)
        return done.stdout + done.stderr

    def wait_until_ready(self, limit_s=120):
        """Wait until its pipeline has scored its own example."""
        end = time.monotonic() + limit_s
        while self.ask("/ready")[0] != 200:
            assert time.monotonic() < end, self.logs()
            time.sleep(0.5)
        return self

    def end(self, timeout_s=40):
        """SIGTERM; its exit status."""
        self.engine.podman("stop", "--time", str(timeout_s), self.name, timeout_s=timeout_s + 20)
        told = self.engine.podman("inspect", self.name, "--format", "{{.State.ExitCode}}").stdout
        return int(told)


@pytest.fixture(scope="module")
def zips(export, tmp_path_factory):
    """A folder with the zip of a pipeline, and another's beside it."""
    folder = tmp_path_factory.mktemp("pipelines")
    shutil.copy(export(), folder / "pipeline.zip")
    shutil.copy(export(kind="regression"), folder / "other.zip")
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


@pytest.fixture(scope="module")
def serve(engine, serving_image, license_text):
    """A function that starts a container as locked as a platform makes it."""
    names = []

    def start(*command, image=serving_image, options=(), user="1000650000:0", network="none"):
        name = f"dai-spark-serving-{os.getpid()}-{len(names)}"
        names.append(name)
        engine.podman(
            *("run", "--detach", "--name", name, "--pull", "never", "--network", network),
            *("--user", user, "--passwd=false", "--cap-drop", "all", "--memory", "512m"),
            *("--security-opt", "no-new-privileges", "--read-only", "--read-only-tmpfs=false"),
            *("--tmpfs", "/tmp:rw,exec,mode=1777", "--env", "DRIVERLESS_AI_LICENSE_KEY"),
            *options,
            image,
            *command,
            DRIVERLESS_AI_LICENSE_KEY=license_text,
        )
        return Served(engine, name)

    yield start
    for name in names:
        engine.podman("rm", "--force", "--time", "1", name, check=False)


@pytest.fixture(scope="module")
def server(serve, zips):
    """The image without a word more, and a pipeline where Driverless AI's container has it."""
    mounted = f"{zips / 'pipeline.zip'}:{PLACE}:ro"
    return serve(options=("--volume", mounted)).wait_until_ready()


@pytest.fixture(scope="module")
def rows(flights):
    """Rows for clients, as JSON has them."""
    return json.loads(flights.head(N_ROWS).to_json(orient="records"))


def test_a_mounted_pipeline_answers_with_its_own_bits(server, rows, flights, own_scores, export):
    """By Driverless AI's call, and by those of others, all on one port; 512 MB, no network."""
    own = own_scores(export(), flights.head(N_ROWS))
    columns = json.loads(
        server.ask("/rpc", {"id": 1, "method": "get_column_names", "params": {}})[1]
    )["result"]
    for number in range(3):
        row = {name: rows[number][name] for name in columns}
        status, text = server.ask("/rpc", {"id": 1, "method": "score", "params": {"row": row}})
        assert (status, json.loads(text)["result"]) == (200, own.iloc[number].to_list())
    answer = json.loads(server.ask("/invocations", {"dataframe_records": rows})[1])
    assert same(answer["predictions"], own.to_dict("records"))
    for path in ("/live", "/ping", "/v2/health/ready", "/api/model/info", "/metrics", "/docs"):
        assert server.ask(path)[0] == 200, path


def test_it_is_as_locked_as_that(server, engine):
    """What the other tests rest on: user, file system, network, memory."""
    script = (
        "id -u; touch /etc/x /opt/x /scoring/x 2>&1 | grep -c Read-only; ls /sys/class/net; "
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; true"
    )
    lines = engine.podman("exec", server.name, "sh", "-c", script).stdout.splitlines()
    assert lines[:3] == ["1000650000", "3", "lo"]
    assert str(512 << 20) in lines


def test_the_engine_is_told_of_its_health(server, engine):
    """HEALTHCHECK asks the port that is served; a server that stands still is not healthy."""
    checked = ("healthcheck", "run", server.name)
    assert engine.podman(*checked, check=False).returncode == 0
    stop = "import os, signal, glob\nfor path in glob.glob('/proc/[0-9]*/cmdline'):\n" + (
        "    if b'dai-spark\\0serve' in open(path, 'rb').read() and '/1/' not in path:\n"
        "        os.kill(int(path.split('/')[2]), signal.{})\n"
    )
    engine.podman("exec", server.name, "python", "-c", stop.format("SIGSTOP"))
    try:
        assert engine.podman(*checked, check=False).returncode != 0
    finally:
        engine.podman("exec", server.name, "python", "-c", stop.format("SIGCONT"))
    assert engine.podman(*checked, check=False).returncode == 0


def test_another_zip_is_another_model(serve, zips, rows, flights, own_scores, export):
    """In a container of its own, and in the one that runs: the zip is replaced, SIGHUP is sent."""
    folder = zips / "swapped"
    folder.mkdir()
    shutil.copy(zips / "pipeline.zip", folder)
    folder.chmod(0o755)
    server = serve(
        "serve",
        "/models/pipeline.zip",
        *("--port", "9090"),
        options=("--volume", f"{folder}:/models:ro"),
    )
    server.wait_until_ready()
    body = {"dataframe_records": rows}
    before = json.loads(server.ask("/invocations", body)[1])["predictions"]
    assert same(before, own_scores(export(), flights.head(N_ROWS)).to_dict("records"))
    shutil.copy(zips / "other.zip", folder / "new")
    (folder / "new").rename(folder / "pipeline.zip")
    server.engine.podman("kill", "--signal", "HUP", server.name)
    own = own_scores(export(kind="regression"), flights.head(N_ROWS))
    end = time.monotonic() + 60
    while (after := json.loads(server.ask("/invocations", body)[1])["predictions"]) == before:
        assert time.monotonic() < end, server.logs()
        time.sleep(0.5)
    assert same(after, own.to_dict("records"))
    assert server.end() == 0


class Load:
    """Clients that call without a pause; each answer must be one of two pipelines' own."""

    def __init__(self, port, row, owns):
        self.port, self.row, self.owns = port, row, owns
        self.seen, self.wrong, self.has_end = [0, 0], [], False
        self.threads = [threading.Thread(target=self._call) for _ in range(8)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self.has_end = True
        for thread in self.threads:
            thread.join(60)

    def wait_for(self, which, n_calls, limit_s=120):
        """Wait until so many more calls have had the answer of a pipeline."""
        end, wanted = time.monotonic() + limit_s, self.seen[which] + n_calls
        while self.seen[which] < wanted:
            assert time.monotonic() < end, (self.seen, self.wrong[:3])
            time.sleep(0.1)

    def _call(self):
        while not self.has_end:
            try:
                answer = httpx.post(
                    f"http://127.0.0.1:{self.port}/invocations",
                    json={"dataframe_records": [self.row]},
                    timeout=30,
                    trust_env=False,
                )
                found = answer.raise_for_status().json()["predictions"]
            except (httpx.HTTPError, ValueError) as error:
                self.wrong.append(repr(error))
                continue
            for which, own in enumerate(self.owns):
                if same(found, own):
                    self.seen[which] += 1
                    break
            else:
                self.wrong.append(str(found))


def test_a_rollout_and_a_swap_fail_no_request(serve, zips, rows, flights, own_scores, export):
    """Under load: a second container takes over, the first ends; then a swap by file."""
    folder = zips / "rolled"
    folder.mkdir()
    shutil.copy(zips / "pipeline.zip", folder)
    shutil.copy(zips / "other.zip", folder)
    folder.chmod(0o755)
    shared = {"network": "host", "options": ("--volume", f"{folder}:/models:ro")}

    def start(name, port):
        words = ("serve", f"/models/{name}", "--port", str(port), "--reload-s", "0.5")
        return serve(*words, **shared)

    row = rows[0]
    owns = [
        own_scores(made, flights.head(1)).to_dict("records")
        for made in (export(), export(kind="regression"))
    ]
    ports = [free_port(), free_port()]
    first = start("pipeline.zip", ports[0])
    wait_for_port(ports[0], first)
    with Load(ports[0], row, owns) as load:
        load.wait_for(0, 200)
        second = start("other.zip", ports[1])
        wait_for_port(ports[1], second)
        # As a service does: new calls go to the one that is ready, and then the old one is ended.
        load.port = ports[1]
        time.sleep(1)
        assert first.end() == 0
        load.wait_for(1, 200)
        shutil.copy(zips / "pipeline.zip", folder / "new")
        (folder / "new").rename(folder / "other.zip")
        load.wait_for(0, 200)
    assert load.wrong == []
    assert second.end() == 0
    print(f"calls answered by the old pipeline {load.seen[0]}, by the new one {load.seen[1]}")


def wait_for_port(port, server, limit_s=120):
    """Wait until the server that shares the host's network is ready."""
    end = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{port}/ready"
            if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        assert time.monotonic() < end, server.logs()
        time.sleep(0.2)


def test_as_sagemaker_starts_it(serve, zips):
    """`serve`, as root, with the model in a folder: `/ping` and `/invocations` at 8080 alone."""
    folder = zips / "model"
    folder.mkdir()
    shutil.copy(zips / "pipeline.zip", folder)
    server = serve("serve", user="0:0", options=("--volume", f"{folder}:/opt/ml/model:ro"))
    end = time.monotonic() + 120
    while "ready: " not in server.logs():
        assert time.monotonic() < end, server.logs()
        time.sleep(0.5)
    assert server.ask("/ping")[0] == 0
    assert "listening on http://0.0.0.0:8080" in server.logs()
    assert server.engine.podman("healthcheck", "run", server.name, check=False).returncode == 0
    assert server.end() == 0


def test_without_a_model_or_a_licence_it_says_so(serve, engine, zips, license_text):
    """One sentence, exit status 2; the licence is not repeated."""
    alone = serve()
    assert engine.podman("wait", alone.name).stdout.strip() == "2"
    assert "Give the PIPELINE to serve" in alone.logs()
    bad = serve(
        options=(
            *("--volume", f"{zips / 'pipeline.zip'}:{PLACE}:ro"),
            *("--env", "DRIVERLESS_AI_LICENSE_KEY=none"),
        )
    )
    assert engine.podman("wait", bad.name, timeout_s=120).stdout.strip() != "0"
    assert "licen" in bad.logs()
    assert license_text not in bad.logs()


def test_the_shell_is_in_it_too(run, serving_image, data, flights, own_scores, export):
    """Any command of dai-spark, or a program by its path."""
    flights.head(N_ROWS).to_csv(data / "rows.csv", index=False)
    run(
        "predict",
        "/data/scorer.zip",
        "/data/rows.csv",
        "/data/out/scores.parquet",
        image=serving_image,
    )
    found = pd.read_parquet(data / "out" / "scores.parquet").astype("float32")
    assert (found.to_numpy() == own_scores(export(), flights.head(N_ROWS)).to_numpy()).all()
    assert run("--version", image=serving_image).stdout.startswith("dai-spark ")
    assert run("/bin/echo", "a b", image=serving_image).stdout == "a b\n"


def test_nothing_that_builds_is_in_it(run, serving_image, context):
    """Neither pip nor a compiler nor lists of packages; what is in it stands in its bill."""
    script = (
        "for name in pip pip3 cc gcc git curl; do command -v $name; done; "
        'python -c \'import importlib.util as u; print([n for n in ("pip", "setuptools", "wheel", '
        '"pyspark") if u.find_spec(n)])\'; ls /var/lib/apt/lists 2>/dev/null | wc -l'
    )
    assert run("/bin/sh", "-c", script, image=serving_image).stdout.splitlines() == ["[]", "0"]
    bill = json.loads((context / "build" / "serving-image.cdx.json").read_text())
    found = {component["purl"].split("@")[0] for component in bill["components"]}
    assert {
        "pkg:pypi/uvicorn",
        "pkg:pypi/grpcio",
        "pkg:pypi/dai-spark",
        "pkg:pypi/lightgbm",
    } <= found
    assert not {name for name in found if name.startswith("pkg:maven/")}
    assert (
        json.loads(run("/bin/cat", "/opt/dai_spark/sbom.cdx.json", image=serving_image).stdout)
        == bill
    )


def test_nothing_is_compiled_anew_when_it_starts(run, serving_image):
    """A read-only root takes no compiled file, so all are there and hold for any time of a file."""
    script = (
        "import glob\n"
        "for place in ('python/lib/python3.11', 'environment/lib/python3.8'):\n"
        "    compiled = f'/opt/dai_spark/{place}/**/__pycache__/*.pyc'\n"
        "    files = glob.glob(compiled, recursive=True)\n"
        "    print(len(files) > 1000, {open(path, 'rb').read(8)[4] for path in files})\n"
    )
    told = run("/opt/dai_spark/python/bin/python", "-c", script, image=serving_image).stdout
    assert told == "True {1}\nTrue {1}\n"


def test_the_same_inputs_give_the_same_digest(build, engine):
    """Built twice from nothing with SOURCE_DATE_EPOCH, the image is the same to the bit.

    In OCI's format: buildah writes a random name of a container into docker's.
    """
    ids = set()
    for number in (1, 2):
        name = build(
            f"localhost/dai-spark-serving:same-{number}",
            *("--no-cache", "--format", "oci"),
            TARGET="serving",
            SOURCE_DATE_EPOCH="1700000000",
        )
        ids.add(engine.podman("image", "inspect", name, "--format", "{{.Id}}").stdout)
        engine.podman("rmi", name)
    assert len(ids) == 1
