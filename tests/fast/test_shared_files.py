"""Files that several processes share: names, locks and memories that anything may befall."""

import os

import pytest

from dai_spark.host import digest
from dai_spark.host.atomic_file import beside, keep
from dai_spark.host.cache_folder import cache_folder
from dai_spark.host.digest import file_digest
from dai_spark.host.file_lock import try_lock


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def test_names_aside_are_unique_with_one_process_id(tmp_path):
    """As in two containers, or two threads."""
    assert len({beside(tmp_path / "a") for _ in range(100)}) == 100


@pytest.mark.parametrize("left", [None, b"", b"who", b"whole, and more", b"other"])
def test_a_file_that_is_not_as_it_should_be_is_written_anew(tmp_path, left):
    """Whatever was left there; one that is right is left alone."""
    path = tmp_path / "file"
    if left is not None:
        path.write_bytes(left)
    keep(path, b"whole")
    assert path.read_bytes() == b"whole"
    made = path.stat().st_ino
    keep(path, b"whole")
    assert path.stat().st_ino == made
    assert list(tmp_path.glob(".*")) == []


def test_a_lock_that_was_taken_away_locks_nothing(tmp_path, monkeypatch):
    """Somebody removes the file between its opening and its locking: the new one is locked."""
    path = tmp_path / "lock"
    opened = os.open
    removed = []

    def open_and_lose(*arguments):
        fd = opened(*arguments)
        if not removed:
            removed.append(path.unlink())
        return fd

    monkeypatch.setattr(os, "open", open_and_lose)
    lock = try_lock(path)
    assert removed
    assert try_lock(path) is None
    os.close(lock)


@pytest.mark.parametrize(
    "damage", ["", "[]", "null", "7", "{", '{"a": ', '[["a", "b"]]', "\udcff", "an entry"]
)
def test_a_memory_of_digests_that_is_damaged_costs_a_reading(tmp_path, cache, damage):
    """Never an error, and never a wrong digest."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    right = file_digest(path)
    memory = cache / "digests.json"
    text = memory.read_text() if damage == "an entry" else damage
    memory.write_bytes(text.replace(right, "no digest").encode("utf-8", "surrogateescape"))
    assert file_digest(path) == right
    assert digest.file_digest(path) == right


def test_a_user_without_a_home_folder_has_a_cache(tmp_path, monkeypatch):
    """Neither HOME nor an entry in passwd: the system's temporary folder serves."""
    monkeypatch.delenv("DAI_SPARK_CACHE")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / f"dai_spark-cache-{os.getuid()}"
