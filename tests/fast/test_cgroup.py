"""CPUs and memory of a control group, as Linux tells them: version 1, version 2, both."""

import os

import pytest

from dai_spark.errors import OptionError
from dai_spark.host.cgroup import cpus_here, memory_kills, memory_limit_bytes
from dai_spark.serving.memory_fit import MemoryFit, MemoryOfScorers

MB = 1_000_000


@pytest.fixture
def host(tmp_path):
    """A function that writes what /proc and /sys of a host say."""

    def write(cgroup, mounts, **files):
        proc = tmp_path / "proc"
        proc.mkdir()
        (proc / "cgroup").write_text("\n".join(cgroup))
        (proc / "mountinfo").write_text(
            "\n".join(
                f"30 25 0:26 {root} {tmp_path / place} rw,nosuid - {kind} cgroup rw,{controllers}"
                for root, place, kind, controllers in mounts
            )
        )
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return proc

    return write


V2 = [("/", "sys", "cgroup2", "nsdelegate")]
V1 = [("/", "cpu", "cgroup", "cpu,cpuacct"), ("/", "memory", "cgroup", "memory")]
AFFINITY = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cpu", "n"), [("max 100000", AFFINITY), ("50000 100000", 1), ("9900000 100000", AFFINITY)]
)
def test_version_2_in_a_container(host, cpu, n):
    """Its own group is the root; a part of a CPU is one; a large quota gives no more CPUs."""
    files = {"sys__cpu_dot_max": cpu, "sys__memory_dot_max": f"{512 * MB}\n"}
    proc = host(["0::/"], V2, **files)
    assert cpus_here(proc) == (n, n < AFFINITY)
    assert memory_limit_bytes(proc) == 512 * MB


def test_a_group_above_holds_as_well(host):
    """The pod's limit where the container has none."""
    files = {
        "sys__pod__memory_dot_max": f"{300 * MB}",
        "sys__pod__box__memory_dot_max": "max",
        "sys__pod__cpu_dot_max": "100000 100000",
        "sys__pod__box__cpu_dot_max": "max 100000",
    }
    proc = host(["0::/pod/box"], V2, **files)
    assert memory_limit_bytes(proc) == 300 * MB
    assert cpus_here(proc).n_cpus == 1


def test_version_1_without_a_namespace(host):
    """The group has the host's name, and the mount shows it as its root."""
    mounts = [("/docker/1f", place, kind, rest) for _, place, kind, rest in V1]
    files = {
        "cpu__cpu_dot_cfs_quota_us": "100000",
        "cpu__cpu_dot_cfs_period_us": "100000",
        "memory__memory_dot_limit_in_bytes": f"{256 * MB}",
    }
    proc = host(["2:cpu,cpuacct:/docker/1f", "4:memory:/docker/1f", "0::/"], mounts, **files)
    assert cpus_here(proc).n_cpus == 1
    assert memory_limit_bytes(proc) == 256 * MB


def test_no_limit(host):
    """Version 1 says so by -1 and by a number that no host has."""
    files = {
        "cpu__cpu_dot_cfs_quota_us": "-1",
        "cpu__cpu_dot_cfs_period_us": "100000",
        "memory__memory_dot_limit_in_bytes": "9223372036854771712",
    }
    proc = host(["2:cpu,cpuacct:/", "4:memory:/"], V1, **files)
    assert cpus_here(proc) == (AFFINITY, False)
    assert memory_limit_bytes(proc) is None


def test_no_linux(tmp_path):
    """What is not told limits nothing."""
    assert memory_limit_bytes(tmp_path) is None
    assert cpus_here(tmp_path) == (AFFINITY, False)


def test_scorers_fit_the_memory():
    """As many as the rest holds, one at least, and never more than wanted."""
    memory = MemoryOfScorers(100 * MB, 200 * MB, 50 * MB)
    assert MemoryFit.of(8, memory, 500 * MB).n_scorers == 3
    assert MemoryFit.of(2, memory, 500 * MB).n_scorers == 2
    assert "500 MB of the cgroup hold 3 of 50 MB" in MemoryFit.of(2, memory, 500 * MB).text
    assert MemoryFit.of(8, memory, 389 * MB).n_scorers == 1
    with pytest.raises(OptionError, match="380 MB, does not hold .* give it 389 MB"):
        MemoryFit.of(8, memory, 380 * MB)


@pytest.mark.parametrize(
    ("group", "mounts", "name"),
    [("0::/", V2, "sys__memory_dot_events"), ("4:memory:/", V1, "memory__memory_dot_oom_control")],
)
def test_kills_for_memory_are_counted(host, group, mounts, name):
    """Beside other counts; None where the kernel counts none."""
    proc = host([group], mounts, **{name: "oom_kill_disable 0\noom 4\noom_kill 3\n"})
    assert memory_kills(proc) == 3


def test_a_kernel_that_counts_no_kills_is_no_error(host):
    """As before Linux 4.13."""
    proc = host(["4:memory:/"], V1, memory__memory_dot_oom_control="under_oom 0\n")
    assert memory_kills(proc) is None
