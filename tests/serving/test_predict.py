"""``dai-spark predict`` and ``info``: files in, files out, with the pipeline's own bits."""

import io
import json
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dai_spark
from dai_spark.cli import main

LATE = ["late.no", "late.yes"]


@pytest.fixture(scope="module")
def pipeline(export):
    """The flights of two classes."""
    return str(export())


@pytest.fixture(scope="module")
def scored(pipeline, packed_environment, license_file):
    """A handle that stays open, so that the commands find a warm sidecar."""
    with dai_spark.open_scorer(
        pipeline, packed_environment.path, license_file=str(license_file)
    ) as scorer:
        yield scorer


@pytest.fixture(scope="module")
def rows(flights):
    """Rows as Driverless AI declares them: every number a float, some of them missing."""
    frame = flights.head(300).copy()
    for name in frame.select_dtypes("number"):
        frame[name] = frame[name].astype("float64")
    frame.loc[5, "dep_delay"] = np.nan
    frame.loc[7, "tailnum"] = None
    return frame.astype({"tailnum": object})


@pytest.fixture(scope="module")
def expected(own_scorer, pipeline, rows):
    """What the pipeline's own Scorer gives."""
    with own_scorer(pipeline) as own:
        return own.score(rows)


@pytest.fixture
def run(scored, packed_environment, license_file, pipeline, capsysbinary):
    """Run a command; gives its exit status, what it wrote, and what it said."""

    def run(command, *words):
        known = ["--env", packed_environment.path, "--license-file", license_file]
        status = main([str(word) for word in (command, pipeline, *words, *known)])
        out, said = capsysbinary.readouterr()
        return status, out, said.decode()

    return run


def write(rows, path):
    """Rows as a file of the format that its ending names."""
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    elif path.suffix == ".json":
        path.write_text(rows.to_json(orient="records", double_precision=15))
    elif path.suffix == ".jsonl":
        path.write_text(rows.to_json(orient="records", lines=True, double_precision=15))
    elif path.suffix == ".parquet":
        rows.to_parquet(path)
    else:
        table = pa.Table.from_pandas(rows, preserve_index=False)
        new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with new(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    return path


def read(path):
    """A file of predictions as a frame of float32."""
    if path.suffix == ".csv":
        found = pd.read_csv(path, dtype="float32")
    elif path.suffix == ".json":
        found = pd.DataFrame(json.loads(path.read_text()))
    elif path.suffix == ".jsonl":
        found = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    elif path.suffix == ".parquet":
        found = pq.read_table(path).to_pandas()
    else:
        open_ = pa.ipc.open_stream if path.suffix == ".arrows" else pa.ipc.open_file
        with pa.OSFile(str(path)) as source:
            found = open_(source).read_all().to_pandas()
    return found.astype("float32")


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "arrow", "arrows"])
def test_each_format_gives_the_pipelines_bits(run, rows, expected, tmp_path, ending):
    """In and out, in the order of the rows."""
    source = write(rows, tmp_path / f"rows.{ending}")
    target = tmp_path / f"scores.{ending}"
    status, out, said = run("predict", source, target)
    assert (status, out) == (0, b""), said
    assert "300 rows scored" in said
    pd.testing.assert_frame_equal(read(target), expected, check_exact=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, target.name]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "arrows"])
def test_pieces_are_written_in_their_order(run, rows, expected, tmp_path, monkeypatch, ending):
    """Though several are scored at the same time."""
    monkeypatch.setattr("dai_spark.batch_files.input_files._BLOCK_BYTES", 4_000)
    source = write(pd.concat([rows] * 4, ignore_index=True), tmp_path / f"rows.{ending}")
    assert run("predict", source, tmp_path / "scores.csv")[0] == 0
    whole = pd.concat([expected] * 4, ignore_index=True)
    pd.testing.assert_frame_equal(read(tmp_path / "scores.csv"), whole, check_exact=True)


def test_what_a_row_gets_is_chosen(run, rows, tmp_path, scored):
    """Labels with a threshold, contributions, and columns to carry through."""
    source = write(rows.assign(key=range(300)), tmp_path / "rows.parquet")
    status, _, said = run(
        "predict", source, tmp_path / "labels.parquet", "--labels", "--threshold", "0.2",
        "--keep", "key,carrier",
    )  # fmt: skip
    assert status == 0, said
    found = pq.read_table(tmp_path / "labels.parquet").to_pandas()
    assert list(found) == ["key", "carrier", *LATE, "label"]
    assert found["key"].tolist() == list(range(300))
    assert found["key"].dtype == "int64"
    assert (found["label"] == np.where(found["late.yes"] >= 0.2, "yes", "no")).all()
    target = tmp_path / "shap.csv"
    assert run("predict", source, target, "--contributions", "original")[0] == 0
    whole = scored.score(rows, contributions="original")
    pd.testing.assert_frame_equal(read(target), whole.astype("float32"), check_exact=True)


def test_odahus_own_call_gives_odahus_own_answer(run, rows, expected, tmp_path):
    """``predict /volume/predicts.json /volume`` writes ``/volume/result.json``."""
    few = rows.head(3)
    body = {"columns": list(few), "data": json.loads(few.to_json(orient="values"))}
    (tmp_path / "predicts.json").write_text(json.dumps(body))
    assert run("predict", tmp_path / "predicts.json", tmp_path)[0] == 0
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["columns"] == LATE
    assert np.array_equal(np.array(found["prediction"], "float32"), expected.head(3).to_numpy())


def test_standard_input_goes_to_standard_output(run, rows, expected, tmp_path, monkeypatch):
    """The format is named; what is said goes to standard error."""
    text = rows.to_csv(index=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    status, out, said = run("predict", "-", "-", "--from", "csv", "--to", "jsonl")
    assert status == 0, said
    found = pd.DataFrame([json.loads(line) for line in out.decode().splitlines()])
    pd.testing.assert_frame_equal(found.astype("float32"), expected, check_exact=True)
    assert run("predict", "-", "-")[0] == 2


def test_a_folder_goes_into_a_folder(run, rows, expected, tmp_path):
    """Each file under its own name, what others leave there passed over."""
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "day=1").mkdir(parents=True)
    (source / "_SUCCESS").write_text("")
    write(rows.head(100), source / "a.csv")
    write(rows.iloc[100:].reset_index(drop=True), source / "day=1" / "b.parquet")
    assert run("predict", source, target)[0] == 0
    found = [read(target / "a.csv"), read(target / "day=1" / "b.parquet")]
    both = pd.concat(found, ignore_index=True)
    pd.testing.assert_frame_equal(both, expected, check_exact=True)
    (source / "notes.txt").write_text("x")
    status, _, said = run("predict", source, target)
    assert status == 2
    assert "names do not say their format, notes.txt" in said


def test_a_file_without_rows_gives_one_without_rows(run, rows, tmp_path):
    """With the columns of the prediction."""
    source = write(rows.head(0), tmp_path / "rows.csv")
    assert run("predict", source, tmp_path / "scores.csv")[0] == 0
    assert (tmp_path / "scores.csv").read_text() == "late.no,late.yes\n"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace("UA", "UA,UA", 1), "row 0: it has 17 fields for 16 columns"),
        (lambda text: text.replace("month", "Month"), "lacks month of the 13 columns"),
        (lambda text: text + "\n" + "x," * 15 + "x", 'row 300, column month: "x" (it is no number'),
        (lambda text: "", "is empty"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(run, rows, tmp_path, spoil, words):
    """The exit status is 2, and what was there is left as it was."""
    text = rows[["carrier", *[n for n in rows if n != "carrier"]]].to_csv(index=False)
    source, target = tmp_path / "rows.csv", tmp_path / "scores.csv"
    source.write_text(spoil(text[:-1]))
    target.write_text("as it was")
    status, out, said = run("predict", source, target)
    assert (status, out) == (2, b"")
    assert said.startswith(f"dai-spark: {source}: The CSV")
    assert words in said
    assert said.count("\n") == 1
    assert target.read_text() == "as it was"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_value_of_parquet_that_does_not_fit_is_placed(run, rows, tmp_path):
    """Its file and rows are named; it is rounded or missing where that is asked for."""
    frame = rows.astype({"flight": "int64"})
    frame.loc[250, "flight"] = 2**53 + 1
    source = write(frame, tmp_path / "rows.parquet")
    status, _, said = run("predict", source, tmp_path / "scores.csv")
    assert status == 2
    assert f"Of {source}, rows 0 to 299: Column flight holds 9007199254740993" in said
    assert run("predict", source, tmp_path / "scores.csv", "--on-cast", "null")[0] == 0


def test_what_cannot_be_meant_is_refused_before_the_pipeline_is_loaded(pipeline, tmp_path, capsys):
    """No environment is needed to hear it."""
    words = ["predict", pipeline, "-", "-", "--margin", "--contributions", "original"]
    assert main(words) == 2
    assert "margin and contributions exclude each other" in capsys.readouterr().err


def test_a_missing_file_is_told(run, tmp_path):
    """Also one that cannot be written."""
    assert "There is no file or folder" in run("predict", tmp_path / "x.csv", "-")[2]
    (tmp_path / "x.csv").write_text("month\n1\n")
    said = run("predict", tmp_path / "x.csv", tmp_path / "x.csv" / "y.csv")[2]
    assert (
        "cannot be written (Not a directory)" in said or "cannot be written (File exists)" in said
    )


def test_info_says_what_goes_in_and_out(run, pipeline, capsysbinary):
    """Of the export alone, and of the loaded pipeline as JSON Schema."""
    assert main(["info", pipeline]) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "carrier                        string   UA" in said
    assert "give --env" in said
    status, out, _ = run("info", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["labels"] == ["no", "yes"]
    assert found["versions"]["python"].startswith("3.8")
    assert found["versions"]["driverless_ai"].startswith("1.10")
    assert set(found["input_schema"]["items"]["properties"]) >= {"month", "carrier"}
    assert found["output_schema"]["items"]["required"] == LATE
    assert "contributions=original" in found["options"]
    assert "late.yes" in run("info")[1].decode()


def test_neither_spark_nor_mlflow_is_imported(pipeline, tmp_path):
    """The command is for machines that have neither."""
    import subprocess

    program = (
        "import sys; from dai_spark.cli import main; status = main(sys.argv[1:]); "
        "found = [n for n in ('pyspark', 'mlflow', 'py4j', 'starlette') if n in sys.modules]; "
        "print(status, found)"
    )
    words = [sys.executable, "-c", program, "predict", pipeline, str(tmp_path / "x.csv"), "-"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "2 []\n", done.stderr


@pytest.mark.long
def test_a_large_file_streams(run, rows, tmp_path):
    """A file of three times the size takes no more memory."""
    import resource

    chunk = pd.concat([rows] * 100).to_csv(index=False, header=False)
    source = tmp_path / "rows.csv"
    with source.open("w") as file:
        file.write(",".join(rows) + "\n")
        for _ in range(40):
            file.write(chunk)
    assert run("predict", source, tmp_path / "scores.csv")[0] == 0
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with source.open("a") as file:
        for _ in range(80):
            file.write(chunk)
    assert source.stat().st_size > 200e6
    assert run("predict", source, tmp_path / "scores.csv")[0] == 0
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert grown_kb < 60_000
    with (tmp_path / "scores.csv").open() as file:
        assert sum(1 for _ in file) == 300 * 100 * 120 + 1
