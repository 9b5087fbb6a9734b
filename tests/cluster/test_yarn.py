"""YARN and HDFS, real ones: client and cluster mode, both ways of the archive, what is killed."""

import gzip
import os
import shutil
import sys
from pathlib import Path

import hadoop
import pandas as pd
import pyarrow as pa
import pytest
from cluster.programs import looking
from pandas.testing import assert_frame_equal

# A name node, a resource manager, two node managers; their jars come by Maven.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

GB = 1_000_000_000


@pytest.fixture(scope="module")
def tar_gz(packed_environment, tmp_path_factory):
    """The environment as YARN unpacks archives; packed fast, since it is read from this disk."""
    path = tmp_path_factory.mktemp("archive") / "dai-1.10.tar.gz"
    with (
        pa.CompressedInputStream(str(packed_environment.path), "zstd") as plain,
        gzip.open(path, "wb", compresslevel=1) as packed,
    ):
        shutil.copyfileobj(plain, packed, 1 << 20)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def given(export, packed_environment, license_file, flights_parquet):
    """What all applications read, by name."""
    return {
        "pipeline": export(),
        "slow_pipeline": export(score_seconds=0.3),
        "large_pipeline": export(ballast_bytes=int(2.5 * GB)),
        "env": packed_environment.path,
        "license_file": license_file,
        "flights": flights_parquet,
    }


@pytest.fixture(scope="module")
def yarn(hadoop_jars, given, tmp_path_factory):
    """The folder of a cluster that runs; clients find it by the settings in its `data/conf`."""
    folder = tmp_path_factory.mktemp("yarn")
    with hadoop.running("Yarn.java", hadoop_jars, folder, "ready", *given.values()):
        yield folder


@pytest.fixture(scope="module")
def root(yarn):
    """URI of the cluster's HDFS."""
    return (yarn / "out").read_text().partition("ready ")[2].split()[0]


@pytest.fixture(scope="module")
def on_hdfs(root, given):
    """URIs of what was put there."""
    return {name: f"{root}/given/{path.name}" for name, path in given.items()}


@pytest.fixture(scope="module")
def variables(yarn):
    """How a driver finds the cluster."""
    return {"HADOOP_CONF_DIR": str(yarn / "data" / "conf")}


@pytest.fixture(scope="module")
def settings(bare_python):
    """Of all applications: two executors with room for two scorers."""
    import pyspark

    cache = os.environ["DAI_SPARK_CACHE"]
    return {
        "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent}/jars/*",
        "spark.yarn.am.memory": "512m",
        "spark.executor.instances": "2",
        "spark.executor.cores": "2",
        "spark.executor.memory": "512m",
        "spark.executor.memoryOverhead": "1500m",
        "spark.executorEnv.DAI_SPARK_CACHE": cache,
        "spark.yarn.appMasterEnv.DAI_SPARK_CACHE": cache,
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": str(bare_python),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.task.maxFailures": "1",
    }


@pytest.fixture(scope="module")
def run(run_program, yarn, root, variables, settings, on_hdfs):
    """The program in client mode."""
    words = {**on_hdfs, "target": f"{root}/scores/client", "cluster": yarn, "settings": settings}
    made = run_program("yarn.py", words, timeout_s=480, **variables)
    assert made.exit_code == 0, made.stderr
    return made


@pytest.fixture(scope="module")
def submit(run_program, repository, dist_zip, variables, settings, on_hdfs, tar_gz):
    """A function that submits the table job, with what it reads on HDFS."""

    def run(mode, way, target):
        words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
        words += ["--master", "yarn", "--deploy-mode", mode, "--py-files", dist_zip]
        words += ["--archives", f"{tar_gz}#dai"] if way == "archives" else []
        words += [repository / "jobs" / "score_table.py", "--pipeline", on_hdfs["pipeline"]]
        words += ["--env", "dai" if way == "archives" else on_hdfs["env"], "--keep", "flight_id"]
        words += ["--license-file", on_hdfs["license_file"]]
        words += ["--source", f"parquet:{on_hdfs['flights']}", "--target", f"parquet:file:{target}"]
        return run_program(words, timeout_s=400, PYSPARK_DRIVER_PYTHON=sys.executable, **variables)

    return run


def assert_all_scored(scores, own):
    scores = scores.set_index("flight_id").sort_index()
    assert_frame_equal(scores, own, check_exact=True)


@pytest.mark.parametrize("way", ["dataframe", "table"])
def test_client_mode_scores_with_what_lies_on_hdfs(run, way, own_flight_scores, export):
    """The archive sent by the library; each row once, bit for bit, on two executors."""
    assert_all_scored(pd.read_parquet(run.out / f"{way}.parquet"), own_flight_scores(export()))
    assert len(run.findings["places"]) == 2


def test_a_pipeline_that_outgrows_its_container_is_warned_of(run):
    """Before the job, with the number to set.

    By process trees YARN itself counts what a container's processes have started, and not what goes
    on without its parent, as a sidecar does: the job ends well.  Control groups count it.
    """
    (warning,) = [text for text in run.findings["messages"] if text.startswith("warning: ")]
    assert "its container has 1,573 MB beside the JVM" in warning
    assert "set spark.executor.memoryOverhead to 5" in warning
    assert run.findings["n_large"] == run.findings["n_rows"]


def test_an_application_that_is_killed_leaves_nothing(run):
    """In the middle of a job: its scorers end with their containers."""
    assert run.findings["at_work_s"] is not None
    assert "SparkContext was shut down" in run.findings["killed"]
    assert run.findings["killed_gone_s"] is not None


@pytest.mark.parametrize("mode", ["client", "cluster"])
@pytest.mark.parametrize("way", ["library", "archives"])
def test_the_job_by_spark_submit(submit, yarn, mode, way, own_flight_scores, export, tmp_path):
    """Driver here or in a container; the archive by `--env`, or unpacked by YARN itself."""
    made = submit(mode, way, tmp_path / "scores")
    assert made.exit_code == 0, made.stdout + made.stderr
    table = pd.read_parquet(tmp_path / "scores").set_index("flight_id").sort_index()
    scores = pd.DataFrame(table["prediction"].to_list(), index=table.index).astype("float32")
    assert_frame_equal(scores, own_flight_scores(export()), check_exact=True)
    assert looking.wait_until(lambda: not looking.sidecars(yarn), 30) is not None


def test_nothing_is_left(run, yarn):
    """No process, no socket, and no folder of ours among those of the node managers."""
    looking.wait_until(lambda: looking.leftovers(yarn) == [], 30)
    assert looking.sidecars(yarn) == {}
    assert looking.leftovers(yarn) == []
