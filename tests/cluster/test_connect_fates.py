"""Connect over a server apart: streams that break, sessions that expire, clients that are gone."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from cluster.programs import looking
from connect_server import connect_server
from pandas.testing import assert_frame_equal

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

# How long the server keeps a session that nobody uses, and the job of a client that is gone.
SESSION_S, DETACHED_S = 20, 5
SETTINGS = {
    "spark.connect.session.manager.defaultSessionTimeout": f"{SESSION_S}s",
    "spark.connect.session.manager.maintenanceInterval": "2s",
    "spark.connect.execute.manager.detachedTimeout": f"{DETACHED_S}s",
    "spark.connect.execute.manager.maintenanceInterval": "2s",
    # Each stream of answers is cut off after two seconds, as a proxy would.
    "spark.connect.execute.reattachable.senderMaxStreamDuration": "2s",
}
# Until the server sees that a client is gone, and Spark has ended its Python workers.
GONE_S = DETACHED_S + 60
CLIENTS = ("4.0.1", "4.2.0")


@pytest.fixture(scope="module")
def server(start):
    """A server that is short of patience."""
    with connect_server(start, **SETTINGS) as made:
        yield made


@pytest.fixture(scope="module")
def words(server, export, packed_environment, license_file, flights_parquet):
    """What the client's program is told."""
    return {
        "server": server.url,
        "pipeline": export(),
        "slow_pipeline": export(score_seconds=0.3),
        "env": packed_environment.path,
        "license_file": license_file,
        "flights": flights_parquet,
        "idle_s": 0,
    }


@pytest.fixture(scope="module")
def run(run_program, words):
    """A client that stays idle for too long."""
    words = {**words, "idle_s": SESSION_S + 10}
    made = run_program("connect_fates.py", words)
    assert made.exit_code == 0, made.stderr
    return made


def scores(made, name):
    return pd.read_parquet(made.out / f"{name}.parquet").set_index("flight_id").sort_index()


def test_a_job_whose_stream_breaks_is_answered_once(run, own_flight_scores, export):
    """The client attaches again and again, and no row is scored or told twice."""
    assert run.findings["n_reattached"] >= 2
    assert_frame_equal(scores(run, "slow"), own_flight_scores(export()), check_exact=True)


def test_a_session_that_has_expired_is_told_and_another_scores(run, own_flight_scores, export):
    """One sentence with what to do; what the session had been sent is sent to the next one."""
    kind, told = run.findings["expired"]
    assert kind == "session closed"
    assert "Session was closed" in told
    assert "make another one" in told
    assert "\n" not in told
    for name in ("before", "after"):
        assert_frame_equal(scores(run, name), own_flight_scores(export()), check_exact=True)


def test_a_client_that_is_gone_leaves_no_scorer(start, words, server):
    """SIGKILL in mid-job: the server gives the job up, and its scorers end."""
    made, process = start("connect_fates.py", words)

    def scorers():
        working = looking.sidecars(server.run.folder).values()
        return sum(not is_sidecar for is_sidecar, _ in working)

    assert looking.wait_until(lambda: scorers() >= 2 or process.poll() is not None, 120)
    assert process.poll() is None, made.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    assert looking.wait_until(lambda: scorers() == 0, GONE_S) is not None


@pytest.fixture(scope="module", params=CLIENTS)
def client_python(request, repository):
    """A Python with a client of another version and no JVM, kept in build/."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = repository / "build" / "tests" / "clients" / f"{request.param}-{minor}"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        uv = str(repository / ".tools" / "bin" / "uv")
        subprocess.run(
            [uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True
        )
        wanted = [f"pyspark-client=={request.param}", "pandas<3"]
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", python, *wanted], check=True, timeout=280
        )
        (folder / "made").touch()
    return python


def test_a_client_of_another_version_scores(
    client_python, words, repository, own_flight_scores, export, tmp_path
):
    """One minor version behind the server, and one ahead of it."""
    told = {**words, "repo": repository, "out": tmp_path, "slow_pipeline": words["pipeline"]}
    program = repository / "tests" / "cluster" / "programs" / "connect_fates.py"
    done = subprocess.run(
        [client_python, program, json.dumps(told, default=str)],
        env={"PATH": "/nowhere", "HOME": str(tmp_path), "DAI_SPARK_CACHE": str(tmp_path / "cache")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(tmp_path / "slow.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(found, own_flight_scores(export()), check_exact=True)
