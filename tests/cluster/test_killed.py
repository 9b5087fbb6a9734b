"""A driver that is killed in the middle of a job, with pyspark's daemons at work."""

import os
import signal

import pytest
from cluster.programs import looking

TIMEOUT_S = 200


@pytest.fixture(scope="module")
def run(start, export, packed_environment, license_file, flights_parquet):
    """A program that is killed while it scores."""
    made, process = start(
        "long_job.py",
        {
            "slow_pipeline": export(score_seconds=0.5),
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
    )

    def is_scoring():
        working = looking.sidecars(made.folder).values()
        n_scorers = sum(not is_sidecar for is_sidecar, _ in working)
        begun = "the long job begins" in made.stdout
        return process.poll() is not None or (begun and n_scorers >= 2)

    assert looking.wait_until(is_scoring, TIMEOUT_S), made.stderr
    assert process.poll() is None, made.stderr
    made.n_sidecars = sum(is_sidecar for is_sidecar, _ in looking.sidecars(made.folder).values())
    java = looking.java_below(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    os.kill(java, signal.SIGKILL)
    made.gone_s = looking.wait_until(lambda: not looking.sidecars(made.folder), 15)
    return made


def test_a_killed_driver_leaves_nothing(run, nothing_left):
    """SIGKILL of a driver in mid-job, Python and JVM: sidecars end and take their files away."""
    assert "the long job has ended" not in run.stdout
    assert run.n_sidecars == 2
    assert run.gone_s is not None
    nothing_left(run)
