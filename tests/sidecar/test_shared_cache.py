"""A cold cache that several containers, processes and threads fill at once, and what damages it."""

import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archives import of_files, shipped
from mounts import mounted

from dai_spark.errors import EnvironmentUnpackError, NotAPipelineError
from dai_spark.host.cache_folder import cache_folder
from dai_spark.unpack.folders import environment_folder, pipeline_folder, sidecar_source

# What each process does with a cold cache: the folders that a sidecar is started from.
FILL = """
import os, sys, time
from dai_spark.plan.plan import ShippedFile
from dai_spark.unpack.folders import environment_folder, sidecar_source
path, digest, begin = sys.argv[1:]
while time.time() < float(begin):
    pass
folders = [sidecar_source(), environment_folder(ShippedFile("path", path, digest, path), 30)]
print(os.getpid(), *folders)
"""
N_FILES = 60


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, in which nothing lies."""
    path = tmp_path / "cache"
    monkeypatch.setenv("DAI_SPARK_CACHE", str(path))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """What is shipped of a small environment."""
    path = of_files(tmp_path_factory.mktemp("archive") / "env.tar.gz", N_FILES, 100)
    return shipped(path)


@pytest.fixture
def slim(tmp_path):
    """What is shipped of a small pipeline."""
    wheel, slim = tmp_path / "a.whl", tmp_path / "slim.pipeline"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr("package/scorer.py", "x = 1")
    with zipfile.ZipFile(slim, "w") as content:
        content.write(wheel, "a.whl")
        content.writestr("pipeline.json", "{}")
    return shipped(slim)


def contents(folder):
    """Each file below a folder, with its bytes."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def left_aside(cache):
    """What somebody made on the way, and has not taken away."""
    return [path for path in cache.glob("*/.*") if path.name != "evict.lock"]


def test_containers_with_equal_process_ids_fill_one_cache(tmp_path, monkeypatch, archive):
    """Two process namespaces, the same process id in each: whole folders in every round."""
    namespace = ["unshare", "--pid", "--fork", "--mount-proc"]
    command = [*namespace, sys.executable, "-c", FILL, archive.name, archive.digest]
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "whole"))
    whole = contents(sidecar_source())
    for number in range(4):
        cache = tmp_path / f"cache-{number}"
        begin = str(time.time() + 1.2)
        environment = {**os.environ, "DAI_SPARK_CACHE": str(cache)}
        both = [
            subprocess.Popen(
                [*command, begin],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=60) for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        (first, source, environment_path), second = (out.split() for out, _ in said)
        assert [first, source, environment_path] == second
        assert contents(cache / "sidecar" / Path(source).name) == whole
        assert len(list((cache / "environments").glob("*/lib/*/*"))) == N_FILES
        assert left_aside(cache) == []


@pytest.mark.parametrize("what", ["source", "environment", "pipeline"])
def test_threads_fill_one_cache(cache, archive, slim, what):
    """Eight threads at once: each gets the one whole folder, and no error."""
    ask = {
        "source": sidecar_source,
        "environment": lambda: environment_folder(archive, 30),
        "pipeline": lambda: pipeline_folder(slim, 30),
    }[what]
    # What lies between two steps of a few files is met seldom.
    for _ in range(40 if what == "source" else 3):
        shutil.rmtree(cache, ignore_errors=True)
        barrier = threading.Barrier(8)

        def together(_, barrier=barrier):
            barrier.wait(10)
            return ask()

        with ThreadPoolExecutor(8) as threads:
            (folder,) = set(threads.map(together, range(8)))
        assert folder.is_dir()
        assert left_aside(cache) == []


@pytest.mark.parametrize("what", ["source", "environment", "pipeline"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty folder", "a file", "a dangling link"])
def test_what_is_no_longer_whole_is_made_anew(cache, archive, slim, what, damage):
    """A temporary folder's cleaner, a crash of the machine, a hand: the cache mends itself."""
    ask = {
        "source": sidecar_source,
        "environment": lambda: environment_folder(archive, 30),
        "pipeline": lambda: pipeline_folder(slim, 30),
    }[what]
    folder = ask()
    whole = contents(folder)
    deep = max((path for path in folder.rglob("*") if path.is_file()), key=lambda p: len(p.parts))
    if damage == "missing":
        deep.unlink()
    elif damage == "cut":
        deep.write_bytes(deep.read_bytes()[:-1])
    else:
        shutil.rmtree(folder)
        if damage == "empty folder":
            folder.mkdir()
        elif damage == "a file":
            folder.write_text("x")
        else:
            folder.symlink_to("/no/such/folder")
    assert ask() == folder
    again = contents(folder)
    for known in (whole, again):
        # How long it took to unpack.
        known.pop(next((path for path in known if path.name == "unpacked_s"), None), None)
    assert again == whole
    assert left_aside(cache) == []


def test_a_whole_folder_is_left_as_it_is(cache, archive):
    """It is not unpacked again, also where a pipeline has written into its own packages."""
    folder = environment_folder(archive, 30)
    made = folder.stat().st_ino
    (folder / "lib" / "1" / "1").write_bytes(b"x" * 1000)
    (folder / "lib" / "1" / "__pycache__").mkdir()
    assert environment_folder(archive, 30).stat().st_ino == made
    assert sidecar_source().stat().st_ino == sidecar_source().stat().st_ino
    assert cache_folder() == cache


@pytest.mark.parametrize("where", ["slim copy", "wheel"])
def test_a_pipeline_that_unpacks_to_more_than_the_disk_has_is_refused_before(
    tmp_path, monkeypatch, where
):
    """By what its list of members says; nothing is written for it, and nothing is left."""
    wheel, slim = tmp_path / "a.whl", tmp_path / "slim.pipeline"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("bomb" if where == "wheel" else "package", bytes(40 << 20))
    with zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("pipeline.json", "{}")
        content.writestr("tmp/bomb", bytes((40 << 20) if where == "slim copy" else 0))
        content.write(wheel, "a.whl")
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "disk"))
    with mounted(tmp_path / "disk", "size=16m") as disk:
        with pytest.raises(
            EnvironmentUnpackError, match=r"make room there for 4[\d,]+ bytes, where"
        ):
            pipeline_folder(shipped(slim), 20)
        assert [path for path in (disk / "pipelines").iterdir() if path.is_dir()] == []


def test_a_member_that_holds_more_than_it_says_is_refused(cache, tmp_path):
    """A list of members with a false size: the member ends there, and the pipeline is damaged."""
    slim = tmp_path / "slim.pipeline"
    with zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("pipeline.json", bytes(20 << 20))
    content = slim.read_bytes().replace((20 << 20).to_bytes(4, "little"), (7).to_bytes(4, "little"))
    slim.write_bytes(content)
    with pytest.raises(NotAPipelineError, match="damaged"):
        pipeline_folder(shipped(slim), 20)
    assert [path for path in (cache / "pipelines").iterdir() if path.is_dir()] == []
