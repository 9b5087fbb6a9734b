"""What Spark brings to a host several times is one file there, and goes when Spark is done."""

import hashlib
import shutil

import pytest
from pyspark import SparkFiles

from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.unpack.one_copy import keep_one_copy

CONTENT = b"an archive" * 200_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The host's cache, and an executor's folder for its own files."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "executor" / "blockmgr-1"))
    return tmp_path / "cache" / "shipped"


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A function: a session of an executor that was sent a file, seen to by one of its tasks."""

    def arrive(name, content=CONTENT):
        digest = hashlib.sha256(CONTENT).hexdigest()
        root = tmp_path / "executor" / name
        root.mkdir(parents=True)
        (root / "it.environment").write_bytes(content)
        monkeypatch.setattr(SparkFiles, "_is_running_on_worker", True)
        monkeypatch.setattr(SparkFiles, "_root_directory", str(root))
        environment = ShippedFile("spark", "it.environment", digest, "it")
        pipeline = ShippedFile("path", "nowhere.zip", "0" * 64, "nowhere.zip")
        keep_one_copy(ScoringPlan(pipeline, environment, "", (), None, ScoringOptions()))
        return root / "it.environment"

    return arrive


def test_sessions_and_spark_s_own_cache_hold_names_of_one_file(session, cache, tmp_path):
    """Whole under every name; another file of the same size in Spark's cache stays."""
    fetched = tmp_path / "executor" / "spark-1" / "1234_cache"
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(CONTENT)
    other = fetched.with_name("-5678_cache")
    other.write_bytes(CONTENT[::-1])
    first, second = session("a"), session("b")
    assert first.samefile(second)
    assert first.samefile(fetched)
    assert first.read_bytes() == CONTENT
    assert other.read_bytes() == CONTENT[::-1]


def test_what_arrived_damaged_is_no_copy(session, cache):
    """Neither as the first one nor later: the digest or the bytes tell."""
    damaged = session("a", CONTENT[:-1] + b"?")
    assert [path.name for path in cache.iterdir()] == ["lock"]
    whole, again = session("b"), session("c", CONTENT[:-1] + b"?")
    assert not whole.samefile(again)
    assert damaged.read_bytes().endswith(b"?")
    assert again.read_bytes().endswith(b"?")


def test_it_goes_when_spark_has_removed_its_names(session, cache, tmp_path, monkeypatch):
    """The next archive that comes takes it away, and not one that a session still has."""
    first = session("a")
    kept = cache / hashlib.sha256(CONTENT).hexdigest()
    assert kept.samefile(first)
    monkeypatch.setitem(globals(), "CONTENT", CONTENT + b"another")
    session("b")
    assert kept.exists()
    shutil.rmtree(first.parent)
    monkeypatch.setitem(globals(), "CONTENT", CONTENT + b"a third")
    session("c")
    assert not kept.exists()


def test_a_disk_of_its_own_is_left_alone(session, cache, monkeypatch):
    """Where there can be no second name, each session has its copy, and nothing is raised."""

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    assert session("a").read_bytes() == CONTENT
    assert session("b").read_bytes() == CONTENT
