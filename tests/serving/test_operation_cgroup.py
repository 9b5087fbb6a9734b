"""A server in real control groups: no more scorers than their CPUs and their memory hold."""

import os
import re
import time
from pathlib import Path

import pytest

ROOTS = {name: Path("/sys/fs/cgroup") / name for name in ("cpu", "memory")}
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all((root / "tasks").exists() for root in ROOTS.values()),
    reason="control groups of version 1 are made by root",
)


@pytest.fixture
def groups():
    """A group of CPUs and one of memory, of the test's own."""
    name = f"dai_spark-test-{os.getpid()}"
    found = {kind: root / name for kind, root in ROOTS.items()}
    for folder in found.values():
        folder.mkdir()
    yield found
    deadline = time.monotonic() + 20
    for folder in found.values():
        while (folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        folder.rmdir()


def start(serve, groups, pipeline, quota, limit_bytes):
    """A server in these groups, from its first moment on."""
    (groups["cpu"] / "cpu.cfs_quota_us").write_text(str(int(quota * 100_000)))
    (groups["memory"] / "memory.limit_in_bytes").write_text(str(limit_bytes))
    server = serve(pipeline, waits=False)
    for folder in groups.values():
        (folder / "cgroup.procs").write_text(str(server.process.pid))
    return server


def test_sizes_are_those_of_the_group(serve, groups, export, records, own):
    """One line at the start tells them; the server scores."""
    from scoring_server import same

    server = start(serve, groups, export(), 1, 2_000 << 20).wait()
    try:
        told = server.log.read_text()
        assert "scorers: 1 (1 CPUs of the cgroup; 2,097 MB of the cgroup hold" in told
        assert same(server.client.post("/predict", json=records).json(), own)
    finally:
        server.close()


def test_too_little_memory_is_a_sentence(serve, groups, export):
    """The server ends by itself, and says how much it wants."""
    server = start(serve, groups, export(), 2, 2_000 << 20).wait()
    server.close()
    line = next(line for line in server.log.read_text().splitlines() if "scorers: " in line)
    _, *sizes_mb = re.findall(r"([0-9,]+) MB", line)
    taken_bytes = sum(int(size.replace(",", "")) for size in sizes_mb) * 1_000_000
    server = start(serve, groups, export(), 2, taken_bytes)
    try:
        assert server.process.wait(60) == 2
        told = "does not hold the server .*; give it [0-9]+ MB"
        assert re.search(told, server.log.read_text()), server.log.read_text()
    finally:
        server.close()
