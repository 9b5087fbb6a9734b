"""Several sessions of one Connect server that was started apart, on two executors."""

import pandas as pd
import pytest
from connect_server import connect_server
from pandas.testing import assert_frame_equal


@pytest.fixture(scope="module")
def server(start):
    """A Connect server."""
    with connect_server(start) as made:
        yield made


@pytest.fixture(scope="module")
def own_server(start):
    """Another one, which has been sent nothing."""
    with connect_server(start) as made:
        yield made


@pytest.fixture(scope="module")
def pipelines(export):
    """Two pipelines with other scores."""
    return [export(), export(n_trees=5)]


@pytest.fixture(scope="module")
def client(server, run_program, pipelines, packed_environment, license_file, flights_parquet):
    """One client that scores in two sessions and ends."""
    made = run_program(
        "connect_two.py",
        {
            "server": server.url,
            "pipelines": pipelines,
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
    )
    assert made.exit_code == 0, made.stderr
    return made


@pytest.mark.parametrize(
    ("name", "which"),
    [
        ("alone", 0),
        ("first_udf", 0),
        ("first_frame", 0),
        ("second_udf", 1),
        ("second_frame", 1),
        ("left", 1),
    ],
)
def test_each_session_scores_with_its_own_pipeline(
    client, pipelines, own_flight_scores, name, which
):
    """Bit for bit, both at once; without spark= the one that is open, whichever thread asks."""
    scores = pd.read_parquet(client.out / f"{name}.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(scores, own_flight_scores(pipelines[which]), check_exact=True)
    assert client.findings["of_thread"]
    assert client.findings["default"]


def test_two_sessions_and_no_word_which_is_refused(client):
    """A column does not tell its session: one sentence, before anything is sent."""
    for said in client.findings["refused"]:
        assert "2 Spark sessions are open" in said
        assert "spark=" in said


def test_a_stopped_session_is_not_taken(client):
    """Both have ended."""
    assert client.findings["stopped"].startswith("No SparkSession is open")


@pytest.mark.long
def test_a_session_leaves_one_copy_of_the_archive(
    own_server, run_program, pipelines, packed_environment, license_file, flights_parquet, flights
):
    """On two executors Spark keeps five for each; one is the server's, all others are one file."""
    made = run_program(
        "connect_many.py",
        {
            "server": own_server.url,
            "server_folder": own_server.run.folder,
            "pipeline": pipelines[0],
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
            "n_sessions": 6,
        },
    )
    assert made.exit_code == 0, made.stderr
    archive_bytes = packed_environment.path.stat().st_size
    for n_before, session in enumerate(made.findings["sessions"]):
        assert session["n_rows"] == len(flights)
        copies = session["held_bytes"] / archive_bytes
        assert copies < n_before + 2.5, made.findings
