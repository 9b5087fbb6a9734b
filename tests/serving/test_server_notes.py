"""What a server notes of its calls: the log on its disk, which proves itself, and drift."""

import json
import re

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dai_spark.cli import main
from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.scoring_proto import scoring_file


def files(folder):
    """Those that readers see."""
    return sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith("."))


def test_calls_of_all_protocols_are_logged_and_proved(
    serve, export, packed_environment, license_file, records, rows, tmp_path, capsys
):
    """Merged or not, with and without options; SIGTERM closes the files."""
    folder = tmp_path / "log"
    server = serve(export(), "--grpc-port", 0, "--log", folder)
    headers = {"X-Request-ID": "mine"}
    assert server.client.post("/predict", json=records, headers=headers).status_code == 200
    assert server.client.post("/predict?labels=true", json=records[:5]).status_code == 200
    text = rows.to_csv(index=False)
    found = server.client.post("/predict", content=text, headers={"Content-Type": "text/csv"})
    assert found.status_code == 200
    wrong = [{**records[0], "month": "May"}]
    assert server.client.post("/predict", json=wrong).status_code == 400
    port = re.search(r"listening on 127\.0\.0\.1:(\d+) for gRPC", server.log.read_text())[1]
    messages = Messages(scoring_file())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{messages.service}/Score")
        request = messages.of("ScoreRequest")(json=json.dumps(records[:7]).encode())
        assert call(request.SerializeToString(), timeout=30)
    assert server.end() == 0
    n_rows = len(records) + 5 + len(rows) + 7
    assert sum(pq.read_metadata(path).num_rows for path in files(folder)) == n_rows
    ids = {i for path in files(folder) for i in pq.read_table(path)["request_id"].to_pylist()}
    assert "mine" in ids
    assert len(ids) == 4
    words = ["--env", str(packed_environment.path), "--license-file", str(license_file)]
    assert main(["log", "verify", str(export()), str(folder), *words]) == 0
    assert f"{n_rows} rows of 2 files scored again, all with the bits" in capsys.readouterr().out


def test_what_is_masked_is_in_no_file(serve, export, records, tmp_path):
    """Hashes of one column, nothing of another."""
    folder = tmp_path / "log"
    words = ("--log-mask", "tailnum", "--log-leave-out", "carrier,origin")
    server = serve(export(), "--log", folder, *words)
    assert server.client.post("/predict", json=records).status_code == 200
    assert server.end() == 0
    (path,) = files(folder)
    inputs = pa.Table.from_struct_array(pq.read_table(path)["input"])
    assert not {"carrier", "origin"} & set(inputs.column_names)
    data = path.read_bytes()
    assert not [row for row in records if row["tailnum"] and row["tailnum"].encode() in data]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--log-mask", "tailnumb"), "tailnumb cannot be masked"),
        (("--log-sample", "0"), "above 0 and at most 1"),
        (("--drift-baseline", "/nowhere.json"), "/nowhere.json cannot be read"),
    ],
)
def test_what_cannot_be_meant_ends_the_server(serve, export, tmp_path, words, told):
    """A misspelled column would be logged as it is."""
    server = serve(export(), "--log", tmp_path / "log", *words, waits=False)
    assert server.process.wait(60) == 2
    assert told in server.log.read_text()


def test_masks_without_a_log_are_refused(export, capsys):
    """Somebody who masks means to log."""
    assert main(["serve", str(export()), "--log-mask", "tailnum"]) == 2
    assert "give --log FOLDER too" in capsys.readouterr().err
