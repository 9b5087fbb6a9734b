"""The cache of environments: what goes when it grows too large, and what never does."""

import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from archives import of_files, shipped
from processes import wait_until
from scoring_calls import describe
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.errors import OptionError
from dai_spark.unpack.folders import environment_folder, pipeline_folder
from dai_spark.unpack.unpack_cache import cached_folders, evict, in_use

MB = 1 << 20


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, in which nothing lies."""
    path = tmp_path / "cache"
    monkeypatch.setenv("DAI_SPARK_CACHE", str(path))
    return path


@pytest.fixture
def archives(tmp_path):
    """Four archives of one megabyte each."""
    paths = [of_files(tmp_path / f"{i}.tar.gz", 8, MB // 8, seed=i) for i in range(4)]
    return [shipped(path) for path in paths]


def digests():
    return [one.path.name for one in cached_folders()]


def command(*words):
    """Run `dai-spark env cache` as a shell would: its standard output and error."""
    program = "from dai_spark.cli import main; raise SystemExit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "env", "cache", *words],
        capture_output=True,
        timeout=60,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_least_recently_used_goes_first(cache, archives, monkeypatch):
    """Above the limit the oldest use goes, not the oldest folder; below it nothing goes."""
    monkeypatch.setenv("DAI_SPARK_CACHE_MAX_BYTES", "3500k")
    first, second, third, fourth = archives
    for file in (first, second, third):
        environment_folder(file, 20)
    assert digests() == [first.digest, second.digest, third.digest]
    environment_folder(first, 20)
    assert digests() == [second.digest, third.digest, first.digest]
    folder = environment_folder(fourth, 20)
    assert digests() == [third.digest, first.digest, fourth.digest]
    assert not folder.with_name(second.digest).exists()
    assert all(MB <= one.n_bytes < 1.2 * MB for one in cached_folders())
    # Gone is not lost: it is unpacked again, and the next one goes for it.
    environment_folder(second, 20)
    assert digests() == [first.digest, fourth.digest, second.digest]


def test_pipelines_and_environments_share_the_limit(cache, archives, tmp_path, monkeypatch):
    """A pipeline that nobody used for longest goes for an environment, and is told in bytes."""
    slim = tmp_path / "slim.pipeline"
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("a.py", os.urandom(MB))
    with zipfile.ZipFile(slim, "w") as content:
        content.write(tmp_path / "a.whl", "a.whl")
    pipeline_folder(shipped(slim), 20)
    environment_folder(archives[0], 20)
    assert [one.kind for one in cached_folders()] == ["pipeline", "environment"]
    monkeypatch.setenv("DAI_SPARK_CACHE_MAX_BYTES", str(int(2.5 * MB)))
    environment_folder(archives[1], 20)
    assert [one.kind for one in cached_folders()] == ["environment", "environment"]


def test_what_was_just_unpacked_stays_whatever_the_limit(cache, archives, monkeypatch):
    """A limit below one environment keeps the one that was asked for, and that alone."""
    monkeypatch.setenv("DAI_SPARK_CACHE_MAX_BYTES", "0")
    for file in archives:
        assert environment_folder(file, 20).is_dir()
        assert digests() == [file.digest]


@pytest.mark.parametrize("text", ["much", "-1", "20 gallons", "1.5g", "20gg"])
def test_a_limit_that_cannot_be_meant_is_told_before_anything_is_unpacked(
    cache, archives, monkeypatch, text
):
    """One sentence with the variable, the value and an example."""
    monkeypatch.setenv("DAI_SPARK_CACHE_MAX_BYTES", text)
    with pytest.raises(OptionError, match=rf"MAX_BYTES='{re.escape(text)}' on .* as in 20g\."):
        environment_folder(archives[0], 20)
    assert digests() == []


def test_what_a_sidecar_runs_from_is_never_evicted(
    plan, executor, flights, cache, packed_environment, pipeline_python
):
    """As long as sidecar or scorer live, however they are left; once they end, it goes."""
    digest = packed_environment.digest
    unpacked = pipeline_python.parent.parent
    (cache / "environments").mkdir(parents=True, mode=0o700)
    copy = ["cp", "--archive", "--link", str(unpacked), str(cache / "environments" / digest)]
    subprocess.run(copy, check=True, timeout=60)
    made = describe(plan(), executor)
    with Connection(made, executor) as connection:
        assert evict(0) == []
        code, out, err = command("--clear")
        assert (code, err) == (0, "")
        line = r"^{} +{} +[\d,.]+  [\d: -]+  yes$"
        for words in (("environment", digest[:12]), ("pipeline", made.pipeline.digest[:12])):
            assert re.search(line.format(*words), out, re.MULTILINE), out
        assert connection.describe()
    # Warm, with no task: the sidecar itself still holds them.  A use of it is a use of theirs.
    for one in cached_folders():
        os.utime(one.path.with_name(f"{one.path.name}.use"), (1, 1))
    assert len(score_frame(made, executor, flights.head(10))) == 10
    assert all(time.time() - one.last_use < 60 for one in cached_folders())
    assert [one.is_in_use() for one in cached_folders()] == [True, True]
    subprocess.run(
        ["rm", "-rf", str(next(executor.folder.glob("*/ready.json")).parent)], check=True
    )
    assert wait_until(lambda: not any(one.is_in_use() for one in cached_folders()), 10)
    code, out, err = command("--clear")
    assert re.findall(r"removed (\w+) \w{12}$", err, re.MULTILINE) in (
        ["pipeline", "environment"],
        ["environment", "pipeline"],
    )
    assert "0.0 MB of at most 21,474.8 MB in " in out
    assert digests() == []


UNPACK = """
import sys
from dai_spark.unpack.unpack_cache import in_use
from dai_spark.unpack.folders import environment_folder
from dai_spark.plan.plan import ShippedFile
n_times = int(sys.argv[1])
files = [ShippedFile("path", *words.split("|"), "label") for words in sys.argv[2:]]
for i in range(n_times):
    file = files[i % len(files)]
    folder = environment_folder(file, 60)
    with in_use([folder], 60):
        # Asked for again in use, as a sidecar's start does: now it must stay.
        folder = environment_folder(file, 60)
        for _ in range(5):
            n_files = sum(path.is_file() for path in folder.glob("lib/*/*"))
            assert n_files == 8, n_files
print("done")
"""


def unpacking(n_times, *files):
    """Start a process that unpacks and uses these files again and again."""
    words = [f"{file.name}|{file.digest}" for file in files]
    return subprocess.Popen(
        [sys.executable, "-c", UNPACK, str(n_times), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_found_is_never_evicted_before_it_is_used(cache, archives, monkeypatch):
    """Three processes that evict each other's folders at every step never lose one in use."""
    monkeypatch.setenv("DAI_SPARK_CACHE_MAX_BYTES", "0")
    processes = [
        unpacking(20, *archives),
        unpacking(20, *reversed(archives)),
        unpacking(20, *archives[2:], *archives[:2]),
    ]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (out, err, process.returncode) == ("done\n", "", 0)
    assert list((cache / "environments").glob(".*.*")) == []


def test_what_is_being_unpacked_is_left_alone_until_its_process_is_gone(cache, tmp_path):
    """Somebody else's half-unpacked folder stays while they live; a killed one's is swept up."""
    file = shipped(of_files(tmp_path / "many.tar.gz", 3000, 10))
    process = unpacking(1, file)
    try:
        folder = cache / "environments"
        assert wait_until(lambda: list(folder.glob(".*.*")), 30)
        process.send_signal(signal.SIGSTOP)
        (half,) = folder.glob(".*.*")
        assert evict(0) == []
        assert half.is_dir()
    finally:
        process.kill()
        process.communicate(timeout=20)
    assert evict(0) == []
    assert not half.exists()
    with in_use([folder / file.digest], 5):
        pass


def test_the_command_says_what_it_is_for(cache):
    """An empty cache is a listing too, and --help says what is listed and removed."""
    code, out, err = command()
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["kind", "digest", "MB", "last", "use", "in", "use"]
    _, out, _ = command("--help")
    assert "List what this user has unpacked" in out
    assert "remove what is not in use" in out
