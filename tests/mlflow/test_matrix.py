"""What reaches the pipeline, of 15 kinds of column by each way into a model: that, or a refusal.

The pipeline writes down what it is given.  By JSON, CSV and as a frame it is what `score_pandas`
gives of the same frame, value for value, or the call is refused with a sentence that names the
column; no value is changed.  Spark's way is in tests/spark/test_mlflow_udf.py.
"""

import datetime
import io
import json
import math
from decimal import Decimal

import mlflow
import numpy as np
import pandas as pd
import pytest
from echo import VARIABLE, build_echo, last_given
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

import dai_spark.mlflow
from dai_spark import score_pandas
from dai_spark.errors import ColumnError

BIG = 2**53 + 1
DAY = datetime.date(2020, 5, 8)
# Of each kind: rows of the column n, of which the pipeline wants numbers, or of t, of which it
# wants text.
KINDS = {
    "int64": ("n", [1, -2, 3], "int64"),
    "int64 beyond 2^53": ("n", [1, BIG, 3], "int64"),
    "nullable int": ("n", [1, None, 3], "Int64"),
    "nullable int beyond 2^53": ("n", [1, None, BIG], "Int64"),
    "float64": ("n", [0.1, 5.9, 1e300], "float64"),
    "float32": ("n", [0.1, 5.9, 1e30], "float32"),
    "float with NaN": ("n", [0.1, math.nan, 3.0], "float64"),
    "boolean": ("n", [True, False, True], "bool"),
    "nullable boolean": ("n", [True, None, False], "boolean"),
    "decimal": ("n", [Decimal("1.5"), None, Decimal("2.25")], "object"),
    "text for a number": ("n", ["1545", "x", "3"], "object"),
    "all missing": ("n", [None, None, None], "object"),
    "text": ("t", ["007", "1e3", "5.0"], "object"),
    "text with missing": ("t", ["a", None, "NA"], "object"),
    "text with blanks and quotes": ("t", [' a,"b"', "ü\u200b", "-"], "object"),
    "categorical": ("t", ["a", "b", "a"], "category"),
    "int for text": ("t", [1, 22, 333], "int64"),
    "date": ("t", [DAY, None, DAY], "object"),
    "time": ("t", pd.to_datetime(["2020-05-08 17:30:00"] * 3), None),
    "time with fraction": ("t", pd.to_datetime(["2020-05-08 17:30:00.5"] * 3), None),
    "mixed": ("n", [1, "x", 2.5], "object"),
}
# By text they are something else from the start, and no way tells a reader otherwise: JSON has
# neither times nor decimals, and CSV has no types.  What they are then is what is compared.
JSON_AS = {
    "float32": [float(np.float32(value)) for value in (0.1, 5.9, 1e30)],
    "decimal": [1.5, None, 2.25],
    "date": ["2020-05-08", None, "2020-05-08"],
    "time": ["2020-05-08 17:30:00"] * 3,
    "time with fraction": ["2020-05-08 17:30:00.500000"] * 3,
    "float with NaN": [0.1, None, 3.0],
}
CSV_AS = {
    **JSON_AS,
    "float32": [0.1, 5.9, 1e30],
    "time with fraction": ["2020-05-08 17:30:00.500"] * 3,
    "boolean": [1, 0, 1],
    "nullable boolean": [1, None, 0],
    "int for text": ["1", "22", "333"],
    "text for a number": None,
    "mixed": None,
}


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """The pipeline, and the file that it writes what it is given to."""
    folder = tmp_path_factory.mktemp("echo")
    file = folder / "given"
    return build_echo(folder / "echo.zip", [("n", "number"), ("t", "text")]), file


@pytest.fixture(scope="module")
def model(echo, packed_environment, tmp_path_factory):
    """The pipeline logged and loaded."""
    path, file = echo
    folder = tmp_path_factory.mktemp("logged") / "model"
    env_vars = {VARIABLE: str(file)}
    dai_spark.mlflow.save_model(folder, path, packed_environment.path, env_vars=env_vars)
    return mlflow.pyfunc.load_model(str(folder))


def frame_of(kind, values=None):
    name, given, dtype = KINDS[kind]
    if values is not None:
        column = pd.Series(values, dtype=object)
    else:
        column = pd.Series(given, dtype=dtype)
    other = {"n": [1.0] * 3, "t": ["a"] * 3}
    return pd.DataFrame({**other, name: column})


def outcome(call, file):
    """What the pipeline was given, or the sentence of the refusal."""
    file.unlink(missing_ok=True)
    try:
        call()
    except (MlflowException, ColumnError) as error:
        assert not file.exists(), "refused, and scored all the same"
        return str(error)
    return last_given(file)


def as_json(frame):
    return [
        {name: None if is_missing(value) else plain(value) for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def plain(value):
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (datetime.date, pd.Timestamp)):
        return str(value)
    return value.item() if hasattr(value, "item") else value


def is_missing(value):
    return value is None or value is pd.NA or value is pd.NaT or value != value


def by_frame(model, frame):
    return model.predict(frame)


def by_server(body, content_type):
    def call(model, frame):
        schema = model.metadata.get_input_schema()
        data = body(frame)
        answer = scoring_server.invocations(data, content_type, model, schema)
        assert answer.status == 200
        return json.loads(answer.response)

    return call


def split(frame):
    rows = [list(row.values()) for row in as_json(frame)]
    return json.dumps({"dataframe_split": {"columns": list(frame), "data": rows}})


WAYS = {
    "frame": by_frame,
    "split": by_server(split, "application/json"),
    "records": by_server(
        lambda f: json.dumps({"dataframe_records": as_json(f)}), "application/json"
    ),
    "inputs": by_server(lambda f: json.dumps({"inputs": as_json(f)}), "application/json"),
    "instances": by_server(lambda f: json.dumps({"instances": as_json(f)}), "application/json"),
    "csv": by_server(lambda f: f.to_csv(index=False), "text/csv"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_reaches_the_pipeline(kind, way, model, echo, packed_environment):
    """That which `score_pandas` gives it of the same values, or a refusal that names the column."""
    path, file = echo
    values = {"frame": {}, "csv": CSV_AS}.get(way, JSON_AS).get(kind, ())
    found = outcome(lambda: WAYS[way](model, frame_of(kind)), file)
    if values is None:
        assert 'row 1, column n: "x" (it is no number' in found
        return
    frame = frame_of(kind, values or None)
    words = {"env": packed_environment.path, "env_vars": {VARIABLE: str(file)}}
    expected = outcome(lambda: score_pandas(frame, path, **words), file)
    if isinstance(expected, str):
        name = KINDS[kind][0]
        assert isinstance(found, str), found
        if way == "csv":
            assert f", column {name}: " in found
            return
        assert f" {name} " in found
        first = expected.removesuffix("\u200b").partition(";")[0]
        assert first in found or first.replace("float", "int") in found
    else:
        assert found == expected


def test_each_kind_is_either_given_or_refused_as_a_frame(model, echo):
    """So that the matrix above does not compare one refusal with another throughout."""
    refused = {
        kind
        for kind in KINDS
        if isinstance(outcome(lambda kind=kind: model.predict(frame_of(kind)), echo[1]), str)
    }
    assert refused == {
        "int64 beyond 2^53",
        "nullable int beyond 2^53",
        "text for a number",
        "time with fraction",
        "mixed",
    }


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("records", {"dataframe_records": [{"n": BIG, "t": "a"}, {"n": None, "t": "b"}]}),
        ("split", {"dataframe_split": {"columns": ["n", "t"], "data": [[BIG, "a"], [None, "b"]]}}),
        ("instances", {"instances": [{"n": BIG, "t": "a"}, {"t": "b"}]}),
        ("inputs", {"inputs": {"n": [BIG, None], "t": ["a", "b"]}}),
    ],
)
def test_an_integer_beside_a_missing_one_stays_what_it_is(form, body, model, echo):
    """Pandas makes floats of them, and of 2^53 + 1 another number, without a word."""
    call = by_server(lambda frame: json.dumps(body), "application/json")
    assert f"Column n holds {BIG}, which the pipeline cannot be given unchanged" in outcome(
        lambda: call(model, None), echo[1]
    )


def test_csv_of_a_file_keeps_its_text(model, echo, tmp_path, monkeypatch):
    """``mlflow models predict -t csv`` reads a file or standard input, without the signature."""
    path = tmp_path / "rows.csv"
    path.write_text("n,t\n1,007\n,1e3\n")
    expected = {"n": ["float64", ["1.0", "nan"]], "t": ["object", ["'007'", "'1e3'"]]}
    assert outcome(lambda: model.predict(scoring_server.parse_csv_input(str(path))), echo[1]) == (
        expected
    )
    stream = io.StringIO(path.read_text())
    assert outcome(lambda: model.predict(scoring_server.parse_csv_input(stream)), echo[1]) == (
        expected
    )


def test_other_models_are_left_alone(model):
    """A model of another kind in the same process has what MLflow gives it."""
    from mlflow.types.schema import ColSpec, Schema

    schema = Schema([ColSpec("double", "a")])
    frame = scoring_server.parse_csv_input(io.StringIO("a\n007\n"), schema)
    assert list(frame["a"]) == [7.0]
    records = {"dataframe_records": [{"a": 1}, {"a": 2}]}
    assert scoring_server.infer_and_parse_data(records, schema)["a"].dtype == "float64"


def test_strict_is_mlflow_s_own(echo, packed_environment, tmp_path):
    """Who asks for it gets MLflow's casts, its CSV and its refusals."""
    folder = tmp_path / "model"
    path, file = echo
    words = {"env_vars": {VARIABLE: str(file)}, "signature": "strict"}
    dai_spark.mlflow.save_model(folder, path, packed_environment.path, **words)
    strict = mlflow.pyfunc.load_model(str(folder))
    csv = by_server(lambda frame: "n,t\n5.9,007\n", "text/csv")
    assert outcome(lambda: csv(strict, None), file) == {
        "n": ["float64", ["5.9"]],
        "t": ["object", ["'007'"]],
    }
    with pytest.raises(MlflowException, match="Can not safely convert int64 to float64"):
        strict.predict(frame_of("int64"))
