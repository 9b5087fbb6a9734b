"""YARN whose containers are control groups with a limit: sidecars count, the kernel holds it."""

import os
from pathlib import Path

import hadoop
import pytest
from memory_group import memory_group

# A name node, a resource manager, two node managers; groups are made by root.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

ROOM_BYTES = 12 << 30


@pytest.fixture(scope="module")
def run(
    run_program,
    hadoop_jars,
    export,
    packed_environment,
    license_file,
    flights_parquet,
    bare_python,
    tmp_path_factory,
):
    """One application with one executor, whose container has 2 GB."""
    import pyspark

    given = {
        "pipeline": export(),
        "large_pipeline": export(ballast_bytes=2_500_000_000),
        "env": packed_environment.path,
        "license_file": license_file,
        "flights": flights_parquet.as_uri(),
    }
    settings = {
        "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent}/jars/*",
        "spark.yarn.am.memory": "512m",
        "spark.executor.instances": "1",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.executor.memoryOverhead": "1500m",
        "spark.executorEnv.DAI_SPARK_CACHE": os.environ["DAI_SPARK_CACHE"],
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.task.maxFailures": "1",
    }
    folder = tmp_path_factory.mktemp("yarn")
    with memory_group("dai_spark-test-yarn", ROOM_BYTES) as procs:
        groups = procs.parent
        words = {"MEMORY_GROUPS": str(groups)}
        with hadoop.running("Yarn.java", hadoop_jars, folder, "ready", **words):
            made = run_program(
                "yarn_groups.py",
                {**given, "cluster": folder, "groups": groups, "settings": settings},
                HADOOP_CONF_DIR=str(folder / "data" / "conf"),
            )
    assert made.exit_code == 0, made.stderr
    return made


def test_sidecars_are_in_their_containers_group(run):
    """Though they are sessions of their own; what they hold counts."""
    sidecars = set(run.findings["sidecars"])
    assert sidecars
    assert sidecars <= set(run.findings["in_groups"])
    assert run.findings["small"] == run.findings["again"] == 1000


def test_a_pipeline_that_outgrows_its_container_is_told_as_such(run, nothing_left):
    """The kernel kills it while it loads; the executor goes on, and scores what fits."""
    told = run.findings["large"]
    assert told.startswith("SidecarStartError: The sidecar of pipeline"), told
    assert "was killed by signal 9 (SIGKILL)" in told
    assert "(out of memory: the kernel has killed a process of this container (cgroup)" in told
    assert "may have 2,147 MB; raise spark.executor.memoryOverhead on YARN and Kubernetes" in told
    assert run.findings["gone_s"] is not None
    nothing_left(run)
