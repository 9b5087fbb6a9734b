"""Spark Connect: no JVM gateway, no SparkContext, files as artifacts of the session."""

import json
import sys

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

# By this a client that starts its own server lets it find a free port, and asks it which.
FREE_PORT = {"SPARK_TESTING": "1"}


@pytest.fixture(scope="module")
def run(run_program, export, packed_environment, license_file, flights_parquet):
    """One client that scores in every way and ends."""
    made = run_program(
        "connect.py",
        {
            "pipeline": export(),
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
        **FREE_PORT,
    )
    assert made.exit_code == 0, made.stderr
    return made


@pytest.mark.parametrize("way", ["arrow", "pandas", "sql", "dataframe", "files", "table"])
def test_scores_are_the_pipelines_own(run, way, own_flight_scores, export):
    """Bit for bit, each row with its own key, whichever way they were asked for."""
    assert run.findings["session"].startswith("pyspark.sql.connect")
    scores = pd.read_parquet(run.out / f"{way}.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(scores, own_flight_scores(export()), check_exact=True)


def test_tasks_read_what_a_client_can_prove(run):
    """A plain spark.read.parquet; a filter and partitions are the server's own to read."""
    plain, where, renamed, cached, by_month = run.findings["readings"]
    assert "tasks read" in plain
    assert "more than a scan of files: filter" in where
    assert "more than a scan of files" in renamed
    assert "InMemoryRelation" in cached
    assert "values of partitions" in by_month


def test_the_server_constructs_one_scorer(run):
    """A second score_udf, SQL, a DataFrame and the table job find the sidecar of the first."""
    logs = run.findings["logs"]
    assert list(logs["arrow"].values()) == [1]
    assert logs["arrow"] == logs["pandas"] == logs["all"]


def test_there_are_no_metrics_over_connect(run):
    """Spark brings nothing back from tasks there: None, and not zeros that look like figures."""
    assert run.findings["metrics"] is None


def test_a_dry_run_writes_nothing(run, own_flight_scores, export):
    """It shows ten scored rows, and the table is written by the real run alone."""
    dry = run.findings["dry_run"]
    assert dry["wrote"] is False
    own = own_flight_scores(export())
    assert len(dry["preview"]) == 10
    for text in dry["preview"]:
        row = json.loads(text)
        assert row["prediction"] == pytest.approx(dict(own.loc[row["flight_id"]]), rel=1e-6)
    assert run.findings["n_rows"] == len(own)


def test_a_key_is_checked_by_the_servers_tasks(run):
    """One that tells all rows apart, and one of which some are there twice."""
    n_rows = run.findings["n_rows"]
    assert f"nowhere twice in {n_rows:,} rows" in run.findings["checks"]["key"]
    assert "values of --key flight_id more than once: " in run.findings["twice"]


def test_an_error_of_the_server_is_one_sentence(run):
    """By the text that Connect brings, in which the innermost cause stands."""
    table, cast, file = run.findings["errors"]
    assert table[0] == "table not found"
    assert "`nowhere`.`t` cannot be found" in table[1]
    assert cast[0] == "value cannot be computed"
    assert "'a'" in cast[1]
    assert file[0] == "corrupt file"
    assert "damaged/part-" in file[1]
    for _, said in (table, cast, file):
        assert "\n" not in said
        assert "SQLSTATE" not in said
        assert "org.apache" not in said


def test_nothing_is_left(run, nothing_left):
    """Client and server have ended, and no sidecar or file of theirs is left."""
    nothing_left(run)


@pytest.mark.long
@pytest.mark.skipif(sys.version_info < (3, 10), reason="MLflow has left Python 3.9.")
def test_a_registered_model_scores_over_connect(
    run_program, export, packed_environment, license_file, flights_parquet, own_flight_scores
):
    """By MLflow's UDF, by ours and by the table job: the pipeline's own scores."""
    made = run_program(
        "connect_mlflow.py",
        {
            "pipeline": export(),
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
        # MLflow's UDF imports the package from the executors' own Python.
        PYSPARK_PYTHON=sys.executable,
        **FREE_PORT,
    )
    assert made.exit_code == 0, made.stderr
    assert made.findings["session"].startswith("pyspark.sql.connect")
    own = own_flight_scores(export())
    for way in ("spark_udf", "score_udf", "table"):
        scores = pd.read_parquet(made.out / f"{way}.parquet").set_index("flight_id").sort_index()
        assert_frame_equal(scores, own, check_exact=True)
    assert made.findings["n_rows"] == len(own)
    assert made.findings["model"]["version"] == "1"
