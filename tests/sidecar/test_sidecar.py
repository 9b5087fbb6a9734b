"""The sidecar's life: loaded once, forked, told apart, and ended with its executor."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from processes import processes_of, wait_until
from scoring_calls import describe, log_of
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.errors import (
    ProtocolError,
    SidecarDiedError,
)
from dai_spark.sidecar import protocol
from dai_spark.sidecar.process import process_start_time


def test_the_scorer_is_constructed_once_for_many_connections(plan, executor, flights):
    """Twelve connections at the same moment, before any sidecar runs, load one scorer."""
    made = plan()
    errors = []

    def score():
        try:
            with Connection(made, executor) as connection:
                connection.describe()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=score) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert log_of(executor).count("Scorer() constructed") == 1
    assert log_of(executor).count("serves partition 3 (stage 1, attempt 0)") == 12


def test_a_second_client_finds_the_sidecar_warm(plan, executor):
    """A plan made again, with other options of the call, loads nothing."""
    first = describe(plan(), executor).described
    second = describe(plan(margin=True), executor).described
    assert first.load_s == second.load_s
    assert [name for name, _ in second.output] != []
    assert log_of(executor).count("Scorer() constructed") == 1


def test_two_licences_never_share_a_sidecar(plan, executor):
    """Another holder's licence is another key, hence another process and another load."""
    from dai_spark.testing import license_text

    describe(plan(), executor)
    describe(plan(license=license_text("somebody else")), executor)
    assert len(list(executor.folder.glob("*.log"))) == 2
    assert len(list(executor.folder.glob("*/scorer.sock"))) == 2


def test_a_client_with_a_wrong_key_is_refused(plan, executor, monkeypatch):
    """Who reaches the socket and does not know the key scores nothing."""
    made = plan()
    describe(made, executor)
    (run_folder,) = (path.parent for path in executor.folder.glob("*/scorer.sock"))
    with _raw(run_folder) as sock:
        hello = {"protocol": 1, "key": "0" * 64, "options": {}, "task": "a test"}
        protocol.send(sock, protocol.HELLO, hello)
        kind, answer = protocol.receive(sock)
    assert kind == protocol.ERROR
    assert answer["kind"] == "protocol"
    assert "key" in answer["message"]


def test_another_version_of_the_protocol_is_refused_with_both_numbers(plan, executor):
    """A client of another version reads which it met."""
    describe(plan(), executor)
    (run_folder,) = (path.parent for path in executor.folder.glob("*/scorer.sock"))
    with _raw(run_folder) as sock:
        protocol.send(sock, protocol.HELLO, {"protocol": 99, "key": ""})
        kind, answer = protocol.receive(sock)
    assert kind == protocol.ERROR
    assert "version 99 of the protocol, this sidecar 1" in answer["message"]


def _raw(run_folder):
    import socket

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    current_executor = Path.cwd()
    os.chdir(run_folder)
    try:
        sock.connect(protocol.SOCKET_NAME)
    finally:
        os.chdir(current_executor)
    return sock


def test_folders_and_socket_are_the_owners_alone(plan, executor):
    """Nobody else can enter the run folder."""
    describe(plan(), executor)
    (run_folder,) = (path.parent for path in executor.folder.glob("*/scorer.sock"))
    for path in (run_folder, run_folder / "load", run_folder / "load" / "tmp"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_environment_is_made_and_not_inherited(plan, executor, monkeypatch, license_text):
    """Nothing of Spark, conda or Python's paths reaches the pipeline; caps and additions do."""
    inherited = {
        "PYTHONPATH": "/nowhere",
        "PYTHONHOME": "/nowhere",
        "VIRTUAL_ENV": "/nowhere",
        "CONDA_PREFIX": "/nowhere",
        "SPARK_HOME": "/nowhere",
        "PYSPARK_PYTHON": "/nowhere",
        "LD_PRELOAD": "",
        "PYTHON_WORKER_FACTORY_SECRET": "secret",
    }
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)
    made = plan(env_vars={"MY_RECIPE": "on"})
    with Connection(made, executor) as connection:
        connection.describe()
        pid = connection._pid
        block = Path(f"/proc/{pid}/environ").read_bytes().decode()
    found = dict(entry.split("=", 1) for entry in block.split("\0") if entry)
    assert not set(inherited) & set(found)
    assert not [name for name in found if name.startswith(("SPARK", "PYSPARK", "CONDA"))]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        assert found[name] == "1"
    assert found["DRIVERLESS_AI_ENABLE_H2O_RECIPES"] == "0"
    assert found["dai_enable_custom_recipes"] == "0"
    assert found["MY_RECIPE"] == "on"
    assert license_text not in block


def test_the_licence_stands_in_no_file_and_no_command_line(plan, executor, license_text):
    """While it scores, the licence is in memory and nowhere else."""
    made = plan()
    with Connection(made, executor) as connection:
        connection.describe()
        lines = " ".join(processes_of("").values())
        assert license_text not in lines
        for path in executor.folder.rglob("*"):
            if path.is_file():
                assert license_text.encode() not in path.read_bytes(), path


def test_scorers_at_work_at_once_have_working_folders_of_their_own(
    plan, executor, export, flights, described
):
    """Two connections score different rows at the same time; a shared folder would cross them."""
    slow = plan(export(score_seconds=0.5), start_method="fork")
    made = slow.with_description(described)
    halves = [flights.iloc[:50], flights.iloc[50:100]]
    expected = [score_frame(made, executor, half) for half in halves]
    found = [None, None]

    def score(i):
        found[i] = score_frame(made, executor, halves[i])

    threads = [threading.Thread(target=score, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for ours, alone in zip(found, expected):
        pd.testing.assert_frame_equal(ours, alone)
    assert not expected[0].equals(expected[1])


# -- ending ------------------------------------------------------------------------------------


def sidecar_of(folder):
    """Process id of the one sidecar below an executor's (or a local caller's) folder."""
    (path,) = folder.glob("*/ready.json")
    return json.loads(path.read_text())["pid"]


def test_an_idle_sidecar_ends_and_the_next_call_starts_another(plan, executor):
    """After idle_timeout_s nothing is left, and scoring goes on as if nothing had been."""
    made = plan(idle_timeout_s=0.5)
    describe(made, executor)
    assert wait_until(lambda: not list(executor.folder.glob("*/ready.json")), 10)
    describe(made, executor)
    assert log_of(executor).count("Scorer() constructed") == 2


def test_a_sidecar_ends_with_its_executors_folder(plan, executor):
    """A clean stop deletes the executor's folder, in local mode with the JVM alive."""
    with Connection(plan(), executor) as connection:
        connection.describe()
    sidecar = sidecar_of(executor.folder)
    assert _lives(sidecar)
    subprocess.run(["rm", "-rf", str(executor.folder)], check=True, timeout=20)
    executor.folder.mkdir(mode=0o700)
    # The folder is back, as another executor's might be, but the run folder is not.
    assert wait_until(lambda: not processes_of(str(executor.folder)), 10)
    assert wait_until(lambda: not _lives(sidecar), 10)


def _lives(pid):
    return process_start_time(pid) is not None


def test_a_sidecar_ends_with_its_process_however_that_ends(
    packed_environment, license_text, export, flights, tmp_path
):
    """A local caller is killed by SIGKILL: its sidecar, scorers and folder go."""
    flights.head(10).to_parquet(tmp_path / "rows.parquet")
    script = (
        "import sys, time, pandas as pd\n"
        "from dai_spark import score_pandas\n"
        "frame = pd.read_parquet(sys.argv[1])\n"
        "score_pandas(frame, sys.argv[2], sys.argv[3], license=sys.stdin.read())\n"
        "print('scored', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script, str(tmp_path / "rows.parquet"), str(export())]
    with subprocess.Popen(
        [*command, str(packed_environment.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        process.stdin.write(license_text)
        process.stdin.close()
        assert process.stdout.readline() == "scored\n"
        (executor,) = tmp_path.glob("dai_spark-*")
        sidecar = sidecar_of(executor)
        assert _lives(sidecar)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert wait_until(lambda: not _lives(sidecar), 10)
    assert wait_until(lambda: not list(tmp_path.glob("dai_spark-*")), 10)


def test_a_killed_sidecar_takes_its_scorers_along_and_is_started_again(plan, executor, flights):
    """SIGKILL in mid-connection is told at once, and the next connection has a new sidecar."""
    made = describe(plan(), executor)
    with Connection(made, executor) as connection:
        sidecar = sidecar_of(executor.folder)
        scorer = connection._pid
        os.kill(sidecar, signal.SIGKILL)
        assert wait_until(lambda: not _lives(scorer), 10)
        with pytest.raises(SidecarDiedError, match="ended, together with its sidecar"):
            connection.describe()
    assert len(score_frame(made, executor, flights.head(10))) == 10


def test_a_worker_that_speaks_out_of_turn_is_told(plan, executor):
    """A message that has no place ends the connection with an error that says so."""
    describe(plan(), executor)
    with Connection(plan(), executor) as connection:
        connection._socket.setblocking(True)
        protocol.send(connection._socket, protocol.READY, {})
        with pytest.raises(ProtocolError, match="has no place here"):
            connection.describe()


def test_score_pandas_leaves_nothing_behind(
    packed_environment, license_text, export, flights, tmp_path, monkeypatch
):
    """Python's own exit takes the local folder along."""
    flights.head(10).to_parquet(tmp_path / "rows.parquet")
    script = (
        "import sys, pandas as pd\n"
        "from dai_spark import score_pandas\n"
        "frame = pd.read_parquet(sys.argv[1])\n"
        "score_pandas(frame, sys.argv[2], sys.argv[3], license=sys.stdin.read())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "rows.parquet"), str(export())]
    subprocess.run(
        [*command, str(packed_environment.path)],
        input=license_text,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True,
        timeout=60,
    )
    assert wait_until(lambda: not list(tmp_path.glob("dai_spark-*")), 10)
