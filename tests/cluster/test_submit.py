"""jobs/score_table.py by spark-submit, on a cluster where dai_spark is installed nowhere."""

import json
import os
import subprocess

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal


@pytest.fixture(scope="module")
def words(repository, dist_zip, export, packed_environment, license_file, flights_parquet):
    """A function: the arguments of spark-submit for a master and a target."""

    def make(master, target):
        return [
            *("--master", master, "--driver-memory", "512m", "--py-files", dist_zip),
            *("--conf", "spark.executor.memory=512m", "--conf", "spark.ui.enabled=false"),
            *(repository / "jobs" / "score_table.py", "--pipeline", export()),
            *("--env", packed_environment.path, "--license-file", license_file),
            *("--source", f"parquet:{flights_parquet}", "--target", f"parquet:{target}"),
            *("--keep", "flight_id", "--json"),
        ]

    return make


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Where the scores go."""
    return tmp_path_factory.mktemp("target") / "scores"


@pytest.fixture(scope="module")
def run(run_program, words, target, bare_python):
    """The job, submitted to two executors with two cores each."""
    python = str(bare_python)
    made = run_program(words("local-cluster[2,2,1024]", target), PYSPARK_DRIVER_PYTHON=python)
    assert made.exit_code == 0, made.stderr
    return made


def test_the_package_is_not_installed(bare_python, tmp_path):
    """What runs the job and its tasks cannot import dai_spark but from the zip."""
    command = [str(bare_python), "-c", "import pyspark, pyarrow; import dai_spark"]
    told = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "No module named 'dai_spark'" in told.stderr


def test_the_table_holds_the_pipelines_own_scores(run, target, own_flight_scores, export):
    """Bit for bit, each row with its key, and the report counts them."""
    own = own_flight_scores(export())
    table = pd.read_parquet(target).set_index("flight_id").sort_index()
    assert list(table) == ["prediction", "scoring"]
    scores = pd.DataFrame(table["prediction"].to_list(), index=table.index).astype("float32")
    assert_frame_equal(scores, own, check_exact=True)
    # spark-submit joins what its Python writes to standard error with its standard output.
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["n_rows"] == len(own)
    assert report["prediction"] == list(own)
    assert report["rows_per_s"] > 0


def test_nothing_is_left(run, nothing_left):
    """The application has ended, and with it the sidecars."""
    nothing_left(run)


# Without spark-submit: test_table_jobs.
@pytest.mark.long
def test_a_second_run_is_done_already(run, run_program, words, target, bare_python):
    """The same job again: exit status 0, and the table stays as it is."""
    files = {path.name for path in target.iterdir()}
    again = run_program(words("local[2]", target), PYSPARK_DRIVER_PYTHON=str(bare_python))
    assert again.exit_code == 0
    assert json.loads(again.stdout.splitlines()[-1])["status"] == "already done"
    assert {path.name for path in target.iterdir()} == files
