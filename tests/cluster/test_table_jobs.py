"""The table job on executors with working folders of their own; tests/spark has its modes."""

import json

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal


@pytest.fixture(scope="module")
def jobs(table_jobs):
    return table_jobs.findings["jobs"]


def test_a_dry_run_writes_nothing_and_shows_scored_rows(
    jobs, flights_parquet, own_flight_scores, export
):
    """Ten rows with the pipeline's own scores and without the run's lineage; no table."""
    job = jobs["dry_run"]
    assert job["status"] == 0
    assert job["wrote"] is False
    rows = [json.loads(line) for line in job["out"].splitlines() if line.startswith("{")]
    assert len(rows) == 10
    own = own_flight_scores(export())
    for row in rows:
        assert set(row) == {"flight_id", "prediction"}
        assert row["prediction"] == pytest.approx(dict(own.loc[row["flight_id"]]), rel=1e-6)


def test_the_first_run_writes_what_is_kept_and_the_prediction(jobs, flights):
    """--keep decides which columns of the source the target has."""
    assert jobs["first"]["status"] == 0
    assert jobs["first"]["columns"] == ["flight_id", "prediction", "scoring"]
    assert jobs["first"]["n_rows"] == len(flights)
    assert f"{len(flights):,} rows" in jobs["first"]["out"]


def test_mode_fail_refuses_a_target_that_exists(jobs):
    """The same run is done, another one is refused: one sentence, status 3."""
    assert jobs["again"]["status"] == 0
    assert "already done" in jobs["again"]["out"]
    for name, target in (("other", "parquet:"), ("table_again", "scored_flights")):
        assert jobs[name]["status"] == 3
        assert jobs[name]["out"] == ""
        (told,) = jobs[name]["err"].splitlines()
        assert told.startswith(f"dai-spark: The target {target}")
        assert told.endswith(
            " exists; give --mode append or --mode overwrite, or another --target."
        )


def test_a_catalog_table_is_written(table_jobs, jobs, own_flight_scores, export, flights):
    """The table in the warehouse holds the pipeline's own scores, bit for bit."""
    job = jobs["table"]
    assert job["status"] == 0
    assert job["columns"] == ["flight_id", "carrier", "prediction", "scoring"]
    assert json.loads(job["out"])["n_rows"] == job["n_rows"] == len(flights)
    scores = pd.read_parquet(table_jobs.out / "table.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(scores, own_flight_scores(export()), check_exact=True)
    assert (table_jobs.out / "warehouse" / "scored_flights").is_dir()


def test_a_job_that_fails_says_why(jobs, failing_export):
    """One sentence names pipeline, rows, host and cause; --verbose adds the traceback."""
    job = jobs["failing"]
    assert job["status"] == 1
    told = next(line for line in job["err"].splitlines() if line.startswith("dai-spark: "))
    assert told.startswith(f"dai-spark: Pipeline {failing_export} failed on rows 0-")
    assert told.endswith(": ValueError: stand-in: raise_in_score")
    assert 'raise ValueError("stand-in: raise_in_score")' in job["err"]
    assert "java" not in job["err"]


def test_nothing_is_left(table_jobs, nothing_left):
    """After jobs that went well and some that failed."""
    nothing_left(table_jobs)
