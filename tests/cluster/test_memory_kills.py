"""A container's memory ends: the kernel kills a scorer, or the executor, and the user reads why."""

import pytest
from free_port import free_port
from memory_group import memory_group
from odd_scorer import odd_export

# Groups are made by root.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

LIMIT_BYTES = 2_000 << 20
# Six times that, a little at a time: who is to be killed is killed in between.
HUNGRY = "[(b'x' * (100 << 20), __import__('time').sleep(0.1)) for i in range(120)] and found"


@pytest.fixture(scope="module")
def run(run_program, packed_environment, license_file, tmp_path_factory):
    """Both workers, with what they start, in one group."""
    with memory_group("dai_spark-test-kills", LIMIT_BYTES) as group:
        made = run_program(
            "memory_kills.py",
            {
                "ports": [free_port(), free_port()],
                "group": group,
                "pipeline": odd_export(tmp_path_factory.mktemp("odd")),
                "hungry": HUNGRY,
                "env": packed_environment.path,
                "license_file": license_file,
            },
        )
    assert made.exit_code == 0, made.stderr
    return made


def test_a_scorer_that_the_kernel_killed_is_told_as_such(run):
    """With the limit and what to raise; the sidecar goes on."""
    told = run.findings["scorer"]
    assert told.startswith("SidecarDiedError: The scorer of pipeline")
    assert "was killed by signal 9 (SIGKILL)" in told
    assert "while it scored rows 0-1 of partition 0" in told
    assert (
        "(out of memory: the kernel has killed a process of this container (cgroup), which may "
        "have 2,097 MB; raise spark.executor.memoryOverhead on YARN and Kubernetes, elsewhere the "
        "limit of the container or service that it runs in, or lower max_scorers" in told
    )
    assert run.findings["again"] == run.findings["right"] == [2.0, 4.0]
    assert run.findings["same_sidecar"]


def test_a_scorer_that_left_by_itself_is_not_said_to_have_had_too_little(run):
    """In the same container, whose limit has nothing to do with it."""
    told = run.findings["left_by_itself"]
    assert "left with exit code 70" in told
    assert "memory" not in told
    assert "MB" not in told


def test_a_python_worker_that_the_kernel_killed_is_told_as_such(run):
    """Spark says that it crashed; nothing of ours is left to say more."""
    told = run.findings["worker"]
    assert "a Python worker of Spark's ended" in told, told
    assert "raise spark.executor.memoryOverhead" in told


def test_an_executor_that_the_kernel_killed_is_told_as_such(run, nothing_left):
    """By the driver, which knows its exit code alone; nothing is left of it."""
    told = run.findings["executor"]
    assert run.findings["executor_gone"]
    assert "an executor was lost" in told
    assert "137" in told
    assert "raise spark.executor.memoryOverhead (on a standalone cluster, the limit of the" in told
    assert run.findings["gone_s"] is not None
    nothing_left(run)
