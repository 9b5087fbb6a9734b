"""`spark.executor.pyspark.memory` binds what a Python worker starts, and errors name it."""

import pytest

# An application of its own, for a setting that few clusters have.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def run(run_program, export, pipeline_python, license_file, flights_parquet):
    """One application on one executor, with one pipeline that is too large for it and one not."""
    pipelines = {"large": export(fate="large_in_load"), "small": export()}
    made = run_program(
        "memory.py",
        {
            "flights": flights_parquet,
            "pipelines": {name: str(path) for name, path in pipelines.items()},
            # Unpacked already, so that nothing large has to be shipped for this.
            "env": pipeline_python.parent.parent,
            "license_file": license_file,
        },
    )
    assert made.exit_code == 0, made.stderr
    return made


def test_a_limit_that_is_too_low_is_named(run):
    """The driver reads what failed, the limit in force, and the setting to raise."""
    told = run.findings["large"]
    assert told.startswith("SidecarStartError: Scorer() of pipeline")
    assert "MemoryError" in told
    assert (
        "(a process here may have 1,500 MB of memory addresses, which is "
        "spark.executor.pyspark.memory divided by spark.executor.cores: raise it" in told
    )


def test_a_limit_that_is_high_enough_is_in_nobodys_way(run, nothing_left):
    """Another pipeline scores on the same executor, and nothing is left behind."""
    assert run.findings["small"] == 100
    nothing_left(run)
