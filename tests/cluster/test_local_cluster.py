"""Two executors with working folders of their own: what is shipped, loaded once, and left."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal


@pytest.fixture(scope="module")
def slow_export(export):
    """An export whose batches take half a second each, so that a job can be disturbed."""
    return export(score_seconds=0.5)


@pytest.fixture(scope="module")
def run(
    run_program,
    padded_export,
    slow_export,
    packed_environment,
    license_file,
    flights_parquet,
    fresh_cache,
):
    """One application that scores in every way, loses an executor, and stops."""
    made = run_program(
        "local_cluster.py",
        {
            "pipeline": padded_export,
            "slow_pipeline": slow_export,
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
        cache=fresh_cache,
    )
    assert made.exit_code == 0, made.stderr
    return made


@pytest.mark.parametrize("way", ["arrow", "pandas", "sql", "dataframe"])
def test_scores_are_the_pipelines_own(run, way, own_flight_scores, padded_export):
    """Bit for bit, each row with its own key, whichever way they were asked for."""
    scores = pd.read_parquet(run.out / f"{way}.parquet").set_index("flight_id").sort_index()
    assert len(scores) == run.findings["n_rows"] > 12_000
    assert_frame_equal(scores, own_flight_scores(padded_export), check_exact=True)


def test_the_package_comes_by_shipping_alone(run):
    """Executors cannot import dai_spark before score_udf, and after it they import what came."""
    before, after = run.findings["executors"]["before"], run.findings["executors"]["after"]
    assert [one["package"] for one in before] == [None, None]
    assert len(after) == 2
    for one in after:
        package = one["package"].replace("./", f"{one['working']}/", 1)
        assert package.startswith(f"{one['working']}/dai_spark-")
        assert ".zip/dai_spark/" in one["package"]


def test_the_session_was_running_when_it_shipped(run):
    """The executors that scored are those that ran before dai_spark was imported."""
    before, after = run.findings["executors"]["before"], run.findings["executors"]["after"]
    assert {one["java"] for one in before} == {one["java"] for one in after}
    assert len({one["java"] for one in after}) == 2


def test_each_executor_constructs_one_scorer(run):
    """Four tasks on two executors load twice, and three jobs more load nothing."""
    logs = run.findings["logs"]
    assert sorted(logs["arrow"].values()) == [1, 1]
    assert logs["all"] == logs["arrow"]
    texts = [text for path, text in run.sidecar_logs().items() if str(path) in logs["arrow"]]
    assert sum(text.count(" serves partition ") for text in texts) >= 4 * 4


def test_what_travels_is_small(run, padded_export, packed_environment):
    """Of an export of 200 MB the executors get a fraction of one, and the environment as it is."""
    assert padded_export.stat().st_size > 200_000_000
    for one in run.findings["executors"]["after"]:
        sizes = {name: size for name, size in one["shipped"].items() if "." in name}
        (pipeline,) = (size for name, size in sizes.items() if name.endswith(".pipeline"))
        (environment,) = (size for name, size in sizes.items() if name.endswith(".environment"))
        assert pipeline < 200_000
        assert environment == packed_environment.size_bytes


def test_spark_unpacks_nothing(run):
    """The executors' working folders hold the files that were shipped and nothing out of them."""
    for one in run.findings["executors"]["after"]:
        assert one["folders"] == []
        assert one["n_files"] < 10


def test_the_environment_is_unpacked_once_for_the_host(run, fresh_cache):
    """Both executors use one folder, in the cache that they inherited."""
    for one in run.findings["executors"]["after"]:
        assert one["cache"] == str(fresh_cache)
    folders = [path for path in (fresh_cache / "environments").iterdir() if path.is_dir()]
    assert len(folders) == 1
    assert folders[0].stat().st_mode & 0o077 == 0
    assert (folders[0] / "bin" / "python3.8").exists()


def test_a_job_survives_the_loss_of_an_executor(run, own_flight_scores, slow_export):
    """An executor killed in mid-job costs its tasks a retry, and no row is lost or doubled."""
    found = run.findings
    assert found["killed_after_s"] is not None
    assert found["killed"] < found["job_ended"]
    scores = pd.read_parquet(run.out / "executor_lost.parquet")
    scores = scores.set_index("flight_id").sort_index()
    assert_frame_equal(scores, own_flight_scores(slow_export), check_exact=True)


def test_living_executors_have_one_sidecar_a_pipeline(run):
    """The killed executor's sidecars end by themselves; nobody else's are doubled."""
    found = run.findings
    assert found["victim_gone_s"] is not None
    living = {one["place"] for one in found["executors"]["lost"]}
    assert found["victim"]["place"] not in living
    run_folders = [folder for is_sidecar, folder in found["sidecars"] if is_sidecar]
    assert run_folders
    assert len(set(run_folders)) == len(run_folders)
    for folder in run_folders:
        assert any(folder.startswith(f"{place}/") for place in living), folder


def test_nothing_is_left(run, nothing_left):
    """After spark.stop(), with the driver's Python still there, no process and no file is left."""
    assert run.findings["sidecars"]
    assert run.findings["stopped_gone_s"] is not None
    nothing_left(run)
