"""``mlflow models serve``: each form of body scores as the pipeline; errors are our sentences."""

import json
import threading

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
from mlflow_server import Server
from processes import wait_until

N_ROWS = 20


@pytest.fixture(scope="module")
def frame(flights):
    """Rows with each of a pipeline's columns, and a missing value."""
    from dai_spark.testing import FLIGHT_FEATURES

    rows = flights.head(N_ROWS)[list(FLIGHT_FEATURES)].reset_index(drop=True)
    return rows.assign(dep_delay=rows["dep_delay"].mask(rows.index == 3))


@pytest.fixture(scope="module")
def expected(own_scores, export, frame):
    """The pipeline's own scores, as JSON has them: float32 widened."""
    return own_scores(export(), frame).astype("float64").to_dict(orient="records")


@pytest.fixture(scope="module")
def server(log, tmp_path_factory):
    """One server for all tests of this file."""
    server = Server(log().model_uri, tmp_path_factory.mktemp("server") / "server.log").wait()
    yield server
    server.close()


def records(frame):
    return json.loads(frame.to_json(orient="records"))


def without_nulls(rows):
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def columns(frame):
    return {name: [row[name] for row in records(frame)] for name in frame}


FORMS = {
    "split": lambda f: {"dataframe_split": json.loads(f.to_json(orient="split"))},
    "records": lambda f: {"dataframe_records": records(f)},
    "records without nulls": lambda f: {"dataframe_records": without_nulls(records(f))},
    "inputs by row": lambda f: {"inputs": records(f)},
    "inputs by column": lambda f: {"inputs": columns(f)},
    "instances": lambda f: {"instances": records(f)},
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_body_scores_as_the_pipeline(form, server, frame, expected):
    """Bit for bit, with a value that is missing."""
    assert server.post(FORMS[form](frame)) == (200, {"predictions": expected})


def test_csv_scores_as_the_pipeline(server, frame, expected):
    """MLflow itself refuses CSV where inputs are AnyType."""
    body = frame.to_csv(index=False).encode()
    assert server.post(body, "text/csv") == (200, {"predictions": expected})


def test_it_says_that_it_is_well(server):
    """As load balancers ask."""
    assert server.get("/ping") == server.get("/health") == (200, "\n")
    assert server.get("/version") == (200, mlflow.__version__)


def test_params_change_the_answer(server, frame, export, own_scores):
    """Contributions, and one column."""
    body = {"dataframe_records": records(frame)}
    status, answer = server.post({**body, "params": {"contributions": True}})
    own = own_scores(export(), frame, pred_contribs=True)
    assert status == 200
    found = pd.DataFrame(answer["predictions"]).astype("float32")
    np.testing.assert_array_equal(found.to_numpy(), own.to_numpy())
    status, answer = server.post({**body, "params": {"output": "label"}})
    assert {row["label"] for row in answer["predictions"]} <= {"no", "yes"}


def wrong(frame, **columns):
    return {"dataframe_records": records(frame.assign(**columns))}


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (lambda f: wrong(f.drop(columns="month")), "BAD_REQUEST", "The frame lacks month of the"),
        (lambda f: wrong(f, month="x"), "BAD_REQUEST", "month (the pipeline wants a number"),
        (
            lambda f: wrong(f, month=[1] * 7 + ["x"] + [1] * (N_ROWS - 8)),
            "BAD_REQUEST",
            "month (row 7: ",
        ),
        (
            lambda f: {**wrong(f), "params": {"contribution": True}},
            "INVALID_PARAMETER_VALUE",
            "'contribution' is no param of this model, did you mean contributions?",
        ),
        (
            lambda f: {**wrong(f), "params": {"margin": True, "contributions": True}},
            "INVALID_PARAMETER_VALUE",
            "margin and contributions exclude each other",
        ),
        (
            lambda f: {**wrong(f), "params": {"margin": 1}},
            "INVALID_PARAMETER_VALUE",
            "margin=1 must be True or False",
        ),
    ],
)
def test_an_error_is_our_sentence_with_a_status(body, code, sentence, server, frame):
    """In the reply, where MLflow has 'an unexpected error' for what it does not know."""
    status, answer = server.post(body(frame))
    assert status == 400
    assert answer["error_code"] == code
    assert sentence in answer["message"]
    assert "Traceback" not in answer["message"]


def test_csv_that_is_wrong_is_told_by_row(server, frame):
    """Also where pandas would have made text of the column."""
    month = frame["month"].astype(object).mask(frame.index == 5, "x")
    text = frame.assign(month=month).to_csv(index=False)
    status, answer = server.post(text.encode(), "text/csv")
    assert status == 400
    assert 'row 5, column month: "x" (it is no number' in answer["message"]


def test_many_clients_at_once(server, frame, expected):
    """Each gets its own rows' scores."""
    found = {}

    def ask(i):
        found[i] = server.post({"dataframe_records": records(frame[i : i + 1])})

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(N_ROWS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {i: (200, {"predictions": [expected[i]]}) for i in range(N_ROWS)}


def sidecars(server):
    """The sidecar that the server's process has started: the child of its guard."""
    tree = psutil.Process(server.process.pid).children(recursive=True)
    ours = [process for process in tree if "/sidecar/" in " ".join(process.cmdline())]
    pids = {process.pid for process in ours}
    guards = {process.pid for process in ours if process.ppid() not in pids}
    return [process for process in ours if process.ppid() in guards]


def test_a_killed_sidecar_is_a_500_and_the_next_request_scores(server, frame, expected):
    """The server lives on; what it cannot score it says."""
    body = {"dataframe_records": records(frame)}
    assert server.post(body)[0] == 200
    killed = sidecars(server)
    assert killed
    for process in killed:
        process.kill()
    answers = []
    assert wait_until(lambda: answers.append(server.post(body)) or answers[-1][0] == 200, 30)
    assert answers[-1] == (200, {"predictions": expected})
    for status, answer in answers[:-1]:
        assert status == 500
        assert answer["error_code"] == "INTERNAL_ERROR"
    assert len(answers) <= 2


def test_nothing_of_the_licence_or_of_rows_is_in_the_log(server, license_text):
    """The server's log is read by others than its callers."""
    text = server.log.read_text()
    assert license_text not in text
    assert "N14228" not in text
