"""Unpacking on a host where processes race, are killed, and disks are full or refuse."""

import contextlib
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from archives import of_files, shipped
from mounts import fill, mounted
from processes import wait_until

from dai_spark.errors import EnvironmentMismatchError, EnvironmentUnpackError, NotAPipelineError
from dai_spark.unpack.folders import environment_folder, pipeline_folder, sidecar_source

N_FILES = 3000

# What a Python worker does with a shipped environment: prints the folder, or the one sentence.
UNPACK = """
import sys
from dai_spark.unpack.folders import environment_folder
from dai_spark.errors import DaiSparkError
from dai_spark.plan.plan import ShippedFile
path, digest = sys.argv[1:]
try:
    print(environment_folder(ShippedFile("path", path, digest, path), 30))
except DaiSparkError as error:
    sys.exit(error.message)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, in which nothing lies."""
    path = tmp_path / "cache"
    monkeypatch.setenv("DAI_SPARK_CACHE", str(path))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive of so many files that a process can be met while it unpacks."""
    return of_files(tmp_path_factory.mktemp("archive") / "env.tar.gz", N_FILES, 100)


@pytest.fixture
def unpacker(archive, cache):
    """A function that starts a process which unpacks the archive; killed afterwards."""
    started = []

    def start():
        file = shipped(archive)
        command = [sys.executable, "-c", UNPACK, file.name, file.digest]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=20)


def aside(cache):
    """The half-unpacked folders, by who unpacks them."""
    found = (cache / "environments").glob(".*.*")
    return {int(path.name.rpartition(".")[2]): path for path in found}


def meet_unpacking(process, cache):
    """Stop a process in the middle of its unpacking; return its half-unpacked folder."""
    assert wait_until(lambda: process.pid in aside(cache), 30)
    process.send_signal(signal.SIGSTOP)
    folder = aside(cache)[process.pid]
    assert n_files(folder) < N_FILES
    return folder


def n_files(folder):
    return sum(path.is_file() for path in folder.glob("lib/*/*"))


def opens(process, name):
    """Whether a process has a file of that name open."""
    for fd in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if str(fd.readlink()).endswith(name):
                return True
    return False


def test_of_two_executors_of_a_host_one_unpacks_and_both_use_it(unpacker, cache):
    """The second process waits for the first, unpacks nothing, and gets the same whole folder."""
    first = unpacker()
    meet_unpacking(first, cache)
    second = unpacker()
    assert wait_until(lambda: opens(second, ".use"), 30)
    time.sleep(0.3)
    assert second.poll() is None
    assert list(aside(cache)) == [first.pid]
    first.send_signal(signal.SIGCONT)
    seen = set()

    def both_ended():
        seen.update(aside(cache))
        return first.poll() is not None and second.poll() is not None

    assert wait_until(both_ended, 30)
    assert seen <= {first.pid}
    (folder,) = {process.communicate(timeout=20)[0].strip() for process in (first, second)}
    assert n_files(cache / "environments" / folder) == N_FILES
    assert aside(cache) == {}


def test_what_a_killed_process_left_is_never_used(unpacker, cache):
    """A SIGKILL in the middle of unpacking: the next process cleans up and unpacks whole."""
    first = unpacker()
    left = meet_unpacking(first, cache)
    first.kill()
    first.wait(20)
    assert left.is_dir()
    second = unpacker()
    folder = second.communicate(timeout=40)[0].strip()
    assert n_files(cache / "environments" / folder) == N_FILES
    assert not left.exists()
    assert aside(cache) == {}


@pytest.mark.parametrize("damage", ["cut off", "changed", "longer", "empty"])
def test_an_archive_that_is_not_the_shipped_one_is_refused(cache, tmp_path, damage):
    """Other bytes under the same name unpack nothing; the right ones do, afterwards."""
    path = of_files(tmp_path / "env.tar.gz", 10, 1000)
    file, right = shipped(path), path.read_bytes()
    wrong = {
        "cut off": right[:-100],
        "changed": right[:5000] + b"\0" + right[5001:],
        "longer": right + b"\0",
        "empty": b"",
    }
    path.write_bytes(wrong[damage])
    with pytest.raises(EnvironmentUnpackError, match=r"arrived damaged on this host \(.* has dig"):
        environment_folder(file, 20)
    assert [p for p in (cache / "environments").iterdir() if p.is_dir()] == []
    path.write_bytes(right)
    assert n_files(environment_folder(file, 20)) == 10


def test_a_hostile_wheel_writes_nothing_outside(cache, tmp_path):
    """A pipeline's members and its wheel's stay below its folder, whatever they are called."""
    wheel, slim = tmp_path / "a.whl", tmp_path / "slim.pipeline"
    with zipfile.ZipFile(wheel, "w") as content:
        for name in ("../../../evil", "/evil", "a/../../../../evil", "good.py"):
            content.writestr(name, "x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        content.writestr(link, "/")
    with zipfile.ZipFile(slim, "w") as content:
        content.write(wheel, "../a.whl")
        content.writestr("/pipeline.json", "{}")
    folder = pipeline_folder(shipped(slim), 20)
    assert (folder / "site" / "good.py").is_file()
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    evil = list(tmp_path.rglob("evil"))
    assert evil
    assert all(folder in path.parents for path in evil)


def test_a_damaged_wheel_is_told(cache, tmp_path):
    """A slim copy that arrived whole with a wheel that no zip reader takes: one sentence."""
    slim = tmp_path / "slim.pipeline"
    with zipfile.ZipFile(slim, "w") as content:
        content.writestr("a.whl", b"PK no zip")
    with pytest.raises(NotAPipelineError, match=r"The scoring wheel of \S+ is damaged \(File is"):
        pipeline_folder(shipped(slim), 20)
    assert [path for path in (cache / "pipelines").iterdir() if path.is_dir()] == []


# -- disks ---------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_unpacking_goes_on_with_room(tmp_path, archive, monkeypatch):
    """Seen while writing (blocks are larger than bytes): both figures; nothing half is left."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "disk"))
    file = shipped(archive)
    with mounted(tmp_path / "disk", "size=8m") as disk:
        with pytest.raises(EnvironmentUnpackError, match=r"needs 300,000 bytes in .*, where "):
            environment_folder(file, 20)
        assert [p for p in (disk / "environments").iterdir() if p.is_dir()] == []
        subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True, timeout=20)
        assert n_files(environment_folder(file, 20)) == N_FILES


def test_a_disk_without_a_byte_is_told_in_every_step(tmp_path, archive, monkeypatch):
    """Environment, pipeline and the sidecar's own source: one sentence each, never a traceback."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "disk"))
    slim = tmp_path / "slim.pipeline"
    with zipfile.ZipFile(slim, "w") as content:
        content.writestr("pipeline.json", "{}")
    with mounted(tmp_path / "disk", "size=64k") as disk:
        fill(disk)
        with pytest.raises(EnvironmentUnpackError, match="make room, or set DAI_SPARK_CACHE"):
            environment_folder(shipped(archive), 20)
        no_room = r"could not be unpacked to \S+ on .* \(No space left on device\); make room"
        for step in (lambda: pipeline_folder(shipped(slim), 20), sidecar_source):
            with pytest.raises(EnvironmentUnpackError, match=no_room):
                step()
        assert [p for p in disk.glob("*/*") if p.is_dir()] == []
    with mounted(tmp_path / "disk", "nr_inodes=2") as disk:
        for step in (lambda: environment_folder(shipped(archive), 20), sidecar_source):
            with pytest.raises(EnvironmentUnpackError, match=r"No space left on device"):
                step()


def test_a_cache_that_cannot_be_written_is_told(tmp_path, archive, monkeypatch):
    """Read-only: one sentence and the variable to set; what was unpacked before is still used."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "disk" / "cache"))
    first = shipped(archive)
    second = shipped(of_files(tmp_path / "second.tar.gz", 2, 10))
    with mounted(tmp_path / "disk", "size=32m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=20)
        words = r"cannot be made \(Read-only file system\); set DAI_SPARK_CACHE"
        with pytest.raises(EnvironmentUnpackError, match=words):
            environment_folder(first, 20)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True, timeout=20)
        folder = environment_folder(first, 20)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=20)
        assert environment_folder(first, 20) == folder
        with pytest.raises(EnvironmentUnpackError, match=r"\(Read-only file system\); make room"):
            environment_folder(second, 20)


def test_a_cache_from_which_nothing_may_run_is_told_before_it_is_filled(
    tmp_path, archive, monkeypatch
):
    """noexec: folder, option and variable are named, and nothing was unpacked for it."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "disk"))
    with mounted(tmp_path / "disk", "noexec") as disk:
        words = (
            r"cannot be run from \S+/disk/environments on \S+, which is mounted noexec; set "
            r"DAI_SPARK_CACHE on the executors to a folder of a disk that is not"
        )
        with pytest.raises(EnvironmentMismatchError, match=words):
            environment_folder(shipped(archive), 20)
        assert list((disk / "environments").iterdir()) == []
