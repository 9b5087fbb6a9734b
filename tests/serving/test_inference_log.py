"""The log of what a server was asked and answered, and the proof that it is true."""

import json
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import dai_spark
from dai_spark.cli import main
from dai_spark.errors import OptionError, VerificationError
from dai_spark.inference_log.inference_log import InferenceLog, LoggedCall
from dai_spark.inference_log.log_settings import LogSettings
from dai_spark.inference_log.verify_log import verify_log
from dai_spark.local.lease import Limits
from dai_spark.plan.options import ScoringOptions
from dai_spark.testing import weather_table

PLAIN = ScoringOptions()


@pytest.fixture(scope="module")
def scorer(export, packed_environment, license_file):
    """The flights of two classes."""
    with dai_spark.open_scorer(
        str(export()), packed_environment.path, license_file=str(license_file)
    ) as scorer:
        yield scorer


@pytest.fixture(scope="module")
def rows(flights, scorer):
    """Rows of the pipeline's columns, some of whose values are missing."""
    frame = flights.head(200).copy()
    frame["tailnum"] = frame["tailnum"].astype(object)
    frame.loc[7, "tailnum"] = None
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return table.select(list(scorer.plan_for(PLAIN).wanted()))


def call(scorer, rows, options=PLAIN, request_id="r"):
    """A call that was answered."""
    scored = scorer.score_with(rows, options, Limits(None, None))
    digest = scorer.plan_for(PLAIN).pipeline.digest
    return LoggedCall(request_id, "flights", digest, options, rows, scored, time.time())


def log(folder, calls, **settings):
    """Calls in a log that is closed; what became of their rows."""
    written = InferenceLog(LogSettings(folder, **settings))
    for one in calls:
        written.put(one)
    written.close()
    return written.counts()


def files(folder):
    """Those that readers see."""
    return sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith("."))


def test_what_was_asked_is_written_and_proved(scorer, rows, tmp_path):
    """With other types and options in files of their own; nothing is left beside them."""
    folder = tmp_path / "log"
    labels = ScoringOptions(labels=True, threshold=0.3)
    wide = rows.set_column(0, rows.column_names[0], rows.column(0).cast("float64"))
    calls = [
        *(call(scorer, rows.slice(i, 10), request_id=f"r{i}") for i in range(0, 200, 10)),
        call(scorer, wide, request_id="wide"),
        call(scorer, rows, labels, "labels"),
        call(scorer, rows, ScoringOptions(contributions="original"), "shap"),
        call(scorer, rows, ScoringOptions(probabilities="map"), "map"),
    ]
    counts = log(folder, calls)
    assert (counts.n_written, counts.n_dropped, counts.n_failed, counts.n_files) == (1000, 0, 0, 5)
    assert len(files(folder)) == 5
    assert not [path for path in folder.rglob(".*") if path.is_file()]
    table = pq.read_table(next(p for p in files(folder) if pq.read_metadata(p).num_rows == 200))
    assert table.column_names[:5] == ["request_id", "row", "time", "model", "digest"]
    proof = verify_log(folder, scorer)
    assert (proof.n_rows, proof.n_differing, proof.n_files) == (1000, 0, 5)
    assert "all with the bits that were logged" in proof.text()
    proof.check()
    # As Spark and its like read it, with its partitions.
    whole = pyarrow.dataset.dataset(folder, partitioning="hive")
    assert whole.filter(pyarrow.dataset.field("request_id") == "labels").count_rows() == 200


def test_one_bit_that_differs_is_named(scorer, rows, tmp_path):
    """By file, request, row and column, with both values."""
    good = call(scorer, rows.slice(0, 50), request_id="mine")
    column = good.scored.column("late.yes").to_numpy().copy()
    column.view("uint32")[17] ^= 1
    bad = good.scored.set_column(1, "late.yes", pa.array(column))
    spoiled = LoggedCall(*[getattr(good, n) for n in list(vars(good))[:5]], bad, good.time_s)
    log(tmp_path, [spoiled])
    proof = verify_log(tmp_path, scorer)
    assert (proof.n_rows, proof.n_differing) == (50, 1)
    assert "request mine, row 17, column late.yes: " in proof.differing[0]
    with pytest.raises(VerificationError, match="1 of 50 logged rows"):
        proof.check()


def test_a_log_of_another_pipeline_proves_nothing(scorer, rows, tmp_path):
    """And neither does one that was damaged."""
    good = call(scorer, rows)
    other = LoggedCall("r", "x", "f" * 64, PLAIN, rows, good.scored, good.time_s)
    log(tmp_path, [other])
    proof = verify_log(tmp_path, scorer)
    assert (proof.n_rows, proof.n_other) == (0, 200)
    with pytest.raises(VerificationError, match="200 are of other pipelines"):
        proof.check()
    log(tmp_path, [good])
    path = next(p for p in files(tmp_path) if "ffff" not in str(p))
    path.write_bytes(path.read_bytes()[:-50])
    proof = verify_log(tmp_path, scorer)
    assert not proof.is_proved
    assert str(path) in proof.unreadable[0]
    with pytest.raises(OptionError, match="no inference log"):
        verify_log(tmp_path / "nowhere", scorer)


def test_masked_values_are_nowhere(scorer, rows, tmp_path):
    """Equal ones stay equal; such rows are told apart from those that were proved."""
    words = {"hashed": ("tailnum",), "left_out": ("carrier",), "hash_key": b"k" * 32}
    log(tmp_path, [call(scorer, rows)], **words)
    (path,) = files(tmp_path)
    inputs = pa.Table.from_struct_array(pq.read_table(path).column("input"))
    assert "carrier" not in inputs.column_names
    given, found = rows.column("tailnum").to_pylist(), inputs.column("tailnum").to_pylist()
    assert found[7] is None
    assert len(set(zip(given, found))) == len(set(given)) == len(set(found))
    data = path.read_bytes()
    assert not [name for name in set(given) - {None} if name.encode() in data]
    proof = verify_log(tmp_path, scorer)
    assert (proof.n_rows, proof.n_masked, proof.masked) == (0, 200, ["carrier", "tailnum"])
    assert "200 rows cannot be scored again: carrier, tailnum" in proof.text()
    with pytest.raises(VerificationError, match="200 have masked columns"):
        proof.check()


def test_hashes_are_those_of_a_key(scorer, rows, tmp_path):
    """The same with the same key, and others where each server takes its own."""
    found = []
    for i, key in enumerate((b"k" * 32, b"k" * 32, None)):
        log(tmp_path / str(i), [call(scorer, rows)], hashed=("tailnum",), hash_key=key)
        (path,) = files(tmp_path / str(i))
        inputs = pa.Table.from_struct_array(pq.read_table(path).column("input"))
        found.append(inputs.column("tailnum").to_pylist())
    assert found[0] == found[1]
    assert not set(found[0]) & (set(found[2]) - {None})


def test_what_cannot_be_meant_is_refused(tmp_path):
    """A misspelled column would be logged as it is."""
    with pytest.raises(OptionError, match="above 0"):
        LogSettings(tmp_path, sample=0)
    with pytest.raises(OptionError, match="both hashed and left out"):
        LogSettings(tmp_path, hashed=("a",), left_out=("a",))
    with pytest.raises(OptionError, match="tailnumb cannot be masked"):
        LogSettings(tmp_path, hashed=("tailnumb",)).check_columns(("tailnum",))


def test_a_share_of_the_calls_is_logged(scorer, rows, tmp_path):
    """Each whole."""
    one = call(scorer, rows.slice(0, 2))
    n_written = log(tmp_path, [one] * 2000, sample=0.25).n_written
    assert n_written % 2 == 0
    assert 350 * 2 < n_written < 650 * 2


def test_files_are_closed_by_size_and_by_age(scorer, rows, tmp_path):
    """So that readers see them while the server goes on."""
    one = call(scorer, rows)
    written = InferenceLog(LogSettings(tmp_path, most_file_bytes=one.rows.nbytes * 3))
    for i in range(12):
        written.put(one)
        deadline_s = time.monotonic() + 10
        while written.counts().n_written < 200 * (i + 1) and time.monotonic() < deadline_s:
            time.sleep(0.01)
    assert len(files(tmp_path)) >= 3
    written.close()
    young = InferenceLog(LogSettings(tmp_path / "young", most_file_s=0.2))
    young.put(one)
    deadline_s = time.monotonic() + 10
    while not files(tmp_path / "young") and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert len(files(tmp_path / "young")) == 1
    young.close()


def test_what_waits_has_a_limit(scorer, rows, tmp_path):
    """Whoever scores is never held up; what was dropped is counted."""
    one = call(scorer, rows)
    written = InferenceLog(LogSettings(tmp_path, most_waiting_bytes=one.rows.nbytes * 4))
    before_s = time.monotonic()
    for _ in range(3000):
        written.put(one)
    took_s = time.monotonic() - before_s
    written.close(30)
    counts = written.counts()
    assert counts.n_dropped > 0
    assert counts.n_written + counts.n_dropped == 3000 * 200
    assert took_s < 5
    assert sum(pq.read_metadata(path).num_rows for path in files(tmp_path)) == counts.n_written


def test_a_log_that_cannot_be_written_stops_nobody(scorer, rows, tmp_path, caplog):
    """It is said once, and counted."""
    one = call(scorer, rows)
    written = InferenceLog(LogSettings(tmp_path))
    (tmp_path / f"pipeline={one.digest[:12]}").write_text("in its place")
    for _ in range(5):
        written.put(one)
    written.close()
    assert written.counts().n_failed == 1000
    assert caplog.text.count("cannot be written") == 1


def test_only_its_owner_can_read_it(scorer, rows, tmp_path):
    """Folders and files."""
    log(tmp_path / "log", [call(scorer, rows)])
    for path in [tmp_path / "log", *(tmp_path / "log").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


PROGRAM = """
import sys, time
from pathlib import Path
import pyarrow as pa
from dai_spark.inference_log.inference_log import InferenceLog, LoggedCall
from dai_spark.inference_log.log_settings import LogSettings
from dai_spark.plan.options import ScoringOptions
log = InferenceLog(LogSettings(Path(sys.argv[1]), most_file_bytes=100_000))
rows = pa.table({"a": pa.array(range(1000), "float64")})
i = 0
while True:
    log.put(LoggedCall(f"r{i}", "m", "d" * 64, ScoringOptions(), rows, rows, time.time()))
    i += 1
    time.sleep(0.002)
    if i == 700:
        print("going", flush=True)
"""


def test_a_killed_server_loses_the_open_file_alone(tmp_path):
    """The next one removes what is left of it, and not what another server writes."""
    servers = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for server in servers:
            assert server.stdout.readline() == b"going\n"
        servers[0].send_signal(signal.SIGKILL)
        servers[0].wait(10)
        whole = files(tmp_path)
        assert len(whole) > 3
        for path in whole:
            assert pq.read_table(path).num_rows % 1000 == 0
        InferenceLog(LogSettings(tmp_path)).close()
        left = list(tmp_path.rglob(".open-*"))
        assert len(left) <= 1
        assert set(whole) <= set(files(tmp_path))
    finally:
        for server in servers:
            server.kill()
            server.wait(10)
            server.stdout.close()


def test_rows_that_depend_on_each_other_are_proved_call_by_call(
    export, packed_environment, license_file, tmp_path
):
    """As they were scored."""
    path = str(export(kind="timeseries"))
    with dai_spark.open_scorer(
        path, packed_environment.path, license_file=str(license_file)
    ) as scorer:
        assert scorer.describe().depends_on_batch
        rows = weather_table().head(60)
        # With the past of what is predicted, which the scores depend on.
        table = pa.Table.from_pandas(rows, preserve_index=False)
        table = table.select(list(scorer.plan_for(PLAIN).wanted()))
        calls = [call(scorer, table.slice(i, 20), request_id=f"r{i}") for i in (0, 20, 40)]
        together = call(scorer, table)
        alone = np.concatenate([one.scored.column(0).to_numpy() for one in calls])
        assert not np.array_equal(alone, together.scored.column(0).to_numpy())
        log(tmp_path, [*calls, together])
        proof = verify_log(tmp_path, scorer)
        assert (proof.n_rows, proof.n_differing) == (120, 0)


def test_the_command_line_proves_a_log(
    scorer, rows, export, packed_environment, license_file, tmp_path, capsys
):
    """``log verify``, and ``score-table --verify-log``; a scheduler sees it by the exit status."""
    good = call(scorer, rows)
    log(tmp_path / "good", [good])
    spoiled = good.scored.set_column(0, "late.no", pa.array(np.zeros(200, "float32")))
    words = {**vars(good), "scored": spoiled}
    log(tmp_path / "bad", [LoggedCall(**words)])
    known = ["--env", str(packed_environment.path), "--license-file", str(license_file)]
    pipeline = str(export())
    assert main(["log", "verify", pipeline, str(tmp_path / "good"), *known]) == 0
    assert "200 rows of 1 files scored again, all with the bits" in capsys.readouterr().out
    table = ["score-table", "--pipeline", pipeline, *known]
    assert main([*table, "--verify-log", str(tmp_path / "good"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_rows"], found["n_differing"], found["is_proved"]) == (200, 0, True)
    assert main([*table, "--verify-log", str(tmp_path / "bad")]) == 7
    told = capsys.readouterr()
    assert "200 with other scores than were logged" in told.out
    assert "200 of 200 logged rows have other scores" in told.err
    assert main([*table, "--verify-log", str(tmp_path), "--target", "x"]) == 2
    assert "--target has no meaning beside it" in capsys.readouterr().err
