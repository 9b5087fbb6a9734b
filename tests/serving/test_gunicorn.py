"""The server below gunicorn: its shipped settings, real workers, requests, its end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from scoring_server import same

START_LIMIT_S = 120


@pytest.fixture
def gunicorn(packed_environment, license_file, tmp_path):
    """A function that starts gunicorn by the line that the documentation has."""
    begun = []

    def start(pipeline, *words, variables=()):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        served = [pipeline, "--env", packed_environment.path, "--license-file", license_file]
        environment = {
            **os.environ,
            "DAI_SPARK_SERVE": " ".join(map(str, served)),
            "DAI_SPARK_BIND": f"127.0.0.1:{port}",
            **dict(variables),
        }
        package = "dai_spark.cli.gunicorn"
        command = [sys.executable, "-m", "gunicorn", "-c", f"python:{package}.gunicorn_conf"]
        command += ["-k", "uvicorn_worker.UvicornWorker", *words, f"{package}.gunicorn_app:app"]
        log = tmp_path / "gunicorn.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, env=environment, stderr=stream, stdout=stream, start_new_session=True
            )
        begun.append(process)
        return process, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False), log

    yield start
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def wait_until_ready(process, client, log):
    """Until a worker answers."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            if client.get("/ready").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_gunicorns_workers_score(gunicorn, export, records, own):
    """Two workers have the pipeline's own bits, and SIGTERM ends all in order."""
    process, client, log = gunicorn(export(), "--workers", "2")
    with client:
        wait_until_ready(process, client, log)
        for _ in range(8):
            with httpx.Client(base_url=client.base_url, trust_env=False) as other:
                assert same(other.post("/predict", json=records, timeout=60).json(), own)
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_pipeline_that_does_not_load_ends_gunicorn(gunicorn, tmp_path):
    """It is not begun again and again; the log has the sentence."""
    process, client, log = gunicorn(tmp_path / "none.zip")
    client.close()
    assert process.wait(60) == 3
    assert f"{tmp_path}/none.zip" in log.read_text()
