"""A standalone cluster of three hosts: networks, names, clocks and folders of their own."""

import os
import shutil
import time
from pathlib import Path

import host_clock
import hosts
import other_python
import pandas as pd
import pytest
from cluster.programs import looking
from cluster.programs.event_log import attempts
from pandas.testing import assert_frame_equal

# Namespaces are made by root; eight JVMs.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

NAMES = ("driver", "alpha", "beta")
WORKERS = NAMES[1:]
N_FILES = 8
N_ROWS = 1600
HOUR_S = 3600
CLOCKS = {"one clock": {}, "clocks apart": {"alpha": -2 * HOUR_S, "beta": HOUR_S}}
LOADER = "/tmp/loader/ld-linux-x86-64.so.2"


class Seen:
    """What was seen of the hosts while the program waited."""

    def __init__(self):
        self.sidecars, self.environments, self.clocks = {}, {}, {}
        self.idle_gone_s = None
        self.kept, self.left, self.logs = {}, {}, []


@pytest.fixture(scope="module")
def rows(flights):
    """What is scored, in files of a few batches."""
    return flights.head(N_ROWS)


@pytest.fixture(scope="module")
def envs(pipeline_python, tmp_path_factory):
    """Folders of environments that lie on each host: of other C libraries, of another loader."""
    folder = tmp_path_factory.mktemp("envs")
    own = pipeline_python.parent.parent
    made = {
        "musl": other_python.with_loader(own, folder / "musl", "/lib/ld-musl-x86_64.so.1"),
        "newer": other_python.with_newer_library(own, folder / "newer"),
        "half": other_python.with_loader(own, folder / "half", LOADER),
    }
    yield made
    for path in made.values():
        shutil.rmtree(path)


@pytest.fixture(scope="module", params=list(CLOCKS))
def cluster(request, tmp_path_factory, repository, bare_python, rows, faults, envs):
    """Three hosts, with a master on the first one and a worker on each other."""
    import pyspark

    spark = Path(pyspark.__file__).parent
    folder = tmp_path_factory.mktemp("hosts")
    build = (repository / "build").resolve()
    n_mounts = len(Path("/proc/mounts").read_text().splitlines())
    with hosts.running(folder, NAMES, host_clock.built(folder), [build]) as running:
        for host in running:
            host.put_clock(CLOCKS[request.param].get(host.name, 0))
        shared = folder / "shared"
        shutil.copy(bare_python, shared / "python")
        (shared / "flights").mkdir()
        for number in range(N_FILES):
            rows[number::N_FILES].to_parquet(shared / "flights" / f"{number}.parquet")
        faults.marked_rows.to_parquet(shared / "marked.parquet")
        for name, path in envs.items():
            path.rename(shared / name)
        begun = []
        driver, *others = running
        for host in running:
            variables = {
                "PATH": os.environ["PATH"],
                "HOME": "/tmp/home",
                "SPARK_HOME": str(spark),
                "SPARK_CONF_DIR": str(repository / "tests/cluster/programs/conf"),
                "SPARK_WORKER_DIR": "/tmp/work",
                "SPARK_LOCAL_DIRS": "/tmp/local",
                "SPARK_LOCAL_IP": host.address,
                "SPARK_DAEMON_MEMORY": "256m",
                "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
                "DAI_SPARK_CACHE": "/tmp/cache",
            }
            if "JAVA_HOME" in os.environ:
                variables["JAVA_HOME"] = os.environ["JAVA_HOME"]
            words = ["worker.Worker", "--host", host.name, "--cores", "2", "--memory", "3g"]
            words += ["--webui-port", "0", "spark://driver:7077"]
            if host is driver:
                words = ["master.Master", "--host", "driver", "--port", "7077"]
                words += ["--webui-port", "0"]
            else:
                host.run("mkdir -p /tmp/home /tmp/work /tmp/local")
            if host.name == "alpha":
                host.run(f"mkdir -p /tmp/loader; cp -L /lib64/{Path(LOADER).name} {LOADER}")
            command = [spark / "bin" / "spark-class", f"org.apache.spark.deploy.{words[0]}"]
            log = folder / f"{host.name}.log"
            begun.append(host.start([*command, *words[1:]], log, **variables))
            sign = "I have been elected" if host is driver else "Successfully registered"
            up = looking.wait_until(lambda log=log, sign=sign: sign in log.read_text(), 60)
            assert up is not None, log.read_text()
        try:
            yield running
        finally:
            for process in begun:
                process.terminate()
                process.wait(20)
            for name, path in envs.items():
                (shared / name).rename(path)
            for host in others:
                shutil.rmtree(host.tmp)
    assert len(Path("/proc/mounts").read_text().splitlines()) == n_mounts


def look(host):
    """Sidecars of a host, by process id: its run folder, and the file that is its Python."""
    pids = host.pids()
    return {
        pid: (place, Path(f"/proc/{pid}/exe").stat().st_ino)
        for pid, (is_sidecar, place) in looking.sidecars("/").items()
        if is_sidecar and pid in pids and "dai_spark-" in place
    }


def key(place):
    """What a plan's run folders are called, on each executor."""
    return Path(place).name


def pause(run, process, name):
    """Wait until the program has come so far."""
    looking.wait_until(lambda: name in run.stdout.split() or process.poll() is not None, 300)
    assert process.poll() is None, run.stdout + run.stderr


@pytest.fixture(scope="module")
def run(cluster, start, export, faults, packed_environment, license_file, envs):
    """The program, and what was seen meanwhile."""
    driver, *others = cluster
    arguments = {
        "master": "spark://driver:7077",
        "pipeline": export(),
        "failing_pipeline": faults.exports["raise_in_score"],
        "broken_pipeline": faults.exports["raise_in_load"],
        "idle_pipeline": export(n_trees=21),
        "env": packed_environment.path,
        "envs": {name: hosts.SHARED / name for name in envs},
        "license_file": license_file,
        "flights": hosts.SHARED / "flights",
        "marked": hosts.SHARED / "marked.parquet",
        "target": hosts.SHARED / "target",
    }
    words = {"SPARK_LOCAL_IP": driver.address, "SPARK_LOCAL_HOSTNAME": "driver"}
    words["PYSPARK_PYTHON"] = str(hosts.SHARED / "python")
    made, process = start("several_hosts.py", arguments, within=driver.words, **words)
    seen = made.seen = Seen()
    pause(made, process, "scored")
    for host in others:
        seen.sidecars[host.name] = look(host)
        pythons = (host.tmp / "cache" / "environments").glob("*/bin/python3.8")
        seen.environments[host.name] = [path.stat().st_ino for path in pythons]
        seen.clocks[host.name] = int(host.run("date +%s")) - time.time()
    (made.out / "scored.seen").touch()
    pause(made, process, "used")
    used = {pid for host in others for pid in look(host)}
    (made.out / "used.seen").touch()
    pause(made, process, "idle")
    # On both hosts, as no other plan's: a job that failed on one may still begin on the other.
    begun = [{key(place): pid for pid, (place, _) in look(host).items()} for host in others]
    (name,) = (n for n in set(begun[0]) & set(begun[1]) if not {b[n] for b in begun} & used)

    def is_gone():
        return not any(key(place) == name for host in others for place, _ in look(host).values())

    seen.idle_gone_s = looking.wait_until(is_gone, 60)
    seen.kept = {host.name: set(look(host)) & set(seen.sidecars[host.name]) for host in others}
    (made.out / "idle.seen").touch()
    pause(made, process, "stopped")
    looking.wait_until(lambda: not any(look(host) for host in others), 15)
    for host in others:
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in host.pids()]
        ours = [line for line in commands if b"/sidecar/" in line]
        seen.left[host.name] = ours, looking.leftovers(host.tmp)
    seen.logs = [path.read_text() for host in others for path in host.tmp.rglob("*sidecar-*.log")]
    (made.out / "stopped.seen").touch()
    made.exit_code = process.wait(60)
    assert made.exit_code == 0, made.stderr
    return made


@pytest.mark.parametrize("way", ["dataframe", "table"])
def test_each_row_has_its_score_once(run, way, export, rows, own_scores):
    """Bit for bit, read by tasks of both hosts; by the table job as well."""
    own = own_scores(export(), rows).set_index(rows["flight_id"]).sort_index()
    scores = pd.read_parquet(run.out / f"{way}.parquet").set_index("flight_id").sort_index()
    assert_frame_equal(scores, own, check_exact=True)


def test_a_host_unpacks_once_and_each_executor_has_a_sidecar(run):
    """What both sidecars of a host run is one file, the one that lies there."""
    for name in WORKERS:
        sidecars = run.seen.sidecars[name]
        (there,) = run.seen.environments[name]
        assert {python for _, python in sidecars.values()} == {there}
        assert len({place for place, _ in sidecars.values()}) == len(sidecars) == 2
    assert (
        len({python for found in run.seen.sidecars.values() for _, python in found.values()}) == 2
    )


def test_clocks_are_as_far_apart_as_they_are_put(run, request):
    """Of each host, as its own processes see it."""
    put = CLOCKS[request.node.callspec.params["cluster"]]
    assert {
        name: round(apart_s / HOUR_S) * HOUR_S for name, apart_s in run.seen.clocks.items()
    } == {name: put.get(name, 0) for name in WORKERS}


def test_files_are_read_by_tasks_and_a_changed_one_is_told(run):
    """By hosts whose clocks differ, from a file server whose clock is another one."""
    found = run.findings
    assert found["n_partitions"] == N_FILES
    assert found["n_rows"] == N_ROWS
    text, _ = found["told"]["changed file"]
    assert text.startswith("SourceFileError: File /mnt/flights/3"), text
    assert any(f" on {name} has " in text for name in WORKERS), text


def test_an_error_names_the_host_that_it_was_on(run):
    """The one that Spark itself names in its log of events."""
    text, _ = run.findings["told"]["raised"]
    assert text.startswith("ScoringError: Pipeline"), text
    failed = [one for one in attempts(run.out)["raised"] if one["end"] != "Success"]
    assert any(f" on {one['host']}: " in text for one in failed)
    assert {one["host"] for one in failed} <= set(WORKERS)


def test_an_executor_that_cannot_load_tries_once(run):
    """Each remembers for a minute, by any clock, why it did not."""
    told = [text for name, (text, _) in run.findings["told"].items() if name.startswith("load ")]
    assert all(text.startswith("SidecarStartError: Scorer() of pipeline") for text in told)
    n_failed = [log.count("\nRuntimeError: stand-in: raise_in_load") for log in run.seen.logs]
    assert 1 <= sum(n_failed) <= 4
    assert max(n_failed) == 1


def test_a_host_without_the_library_is_told_at_once(run):
    """By host, cause, and what to do; also where the probe has asked another host."""
    told = run.findings["told"]
    causes = {
        "musl": "it wants the program loader /lib/ld-musl-x86_64.so.1, which that host does not",
        "newer": "it wants a newer C library (glibc 2.99 by python3.8) than that host's",
        "half": f"it wants the program loader {LOADER}, which that host does not have",
    }
    for name, cause in causes.items():
        text, seconds = told[name]
        assert text.startswith(f"EnvironmentMismatchError: The Python of environment /mnt/{name} ")
        assert cause in text
        assert "build" in text
        assert any(f" on {host}" in text for host in WORKERS)
        assert seconds < 20
    assert "cannot be run on beta:" in told["half"][0]


def test_an_idle_sidecar_ends_by_its_own_time(run):
    """After twelve seconds, whatever the clocks say; others stay."""
    assert run.seen.idle_gone_s is not None
    assert run.seen.idle_gone_s < 30
    assert all(run.seen.kept.values())


def test_nothing_is_left(run, nothing_left):
    """On no host, while executors have ended and the hosts have not."""
    assert run.seen.left == dict.fromkeys(WORKERS, ([], []))
    nothing_left(run)
