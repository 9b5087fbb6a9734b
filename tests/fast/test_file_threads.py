"""Files that threads write while an archive is read."""

import io
import os
import tarfile
import time

import pytest

from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.file_threads import FileThreads, new_file
from dai_spark.errors import EnvironmentUnpackError


def test_each_file_has_its_own_bytes(tmp_path):
    """More of them than may wait at once, of every size, and in their modes."""
    contents = {f"{i}": os.urandom(i * 3_000) for i in range(200)}
    with FileThreads() as threads:
        for name, content in contents.items():
            threads.add(tmp_path / name, 0o700 if name.endswith("0") else 0o600, content)
        threads.settle()
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*0")} == {0o700}


def test_what_a_thread_meets_is_raised(tmp_path):
    """A file that is there already is neither written nor passed over."""
    (tmp_path / "there").write_bytes(b"before")
    with FileThreads() as threads:
        threads.add(tmp_path / "there", 0o600, b"after")
        with pytest.raises(FileExistsError):
            threads.settle()
    assert (tmp_path / "there").read_bytes() == b"before"


def test_nobody_writes_behind_an_error(tmp_path, monkeypatch):
    """What has begun is ended, and nothing else begins: the folder stays as who removes it saw."""
    begun, ended = [], []

    def slowly(path, mode):
        begun.append(path)
        time.sleep(0.05)
        ended.append(path)
        return new_file(path, mode)

    def fail():
        with FileThreads() as threads:
            for i in range(100):
                threads.add(tmp_path / f"{i}", 0o600, b"x")
            raise KeyError

    monkeypatch.setattr("dai_spark.artifacts.file_threads.new_file", slowly)
    with pytest.raises(KeyError):
        fail()
    assert 0 < len(begun) == len(ended) < 100
    assert len(list(tmp_path.iterdir())) == len(ended)


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    """By the sentence that tells what is needed, whichever thread met it."""
    monkeypatch.setattr(
        "dai_spark.artifacts.file_threads.new_file",
        lambda path, mode: os.open("/dev/full", os.O_WRONLY),
    )
    archive = tmp_path / "small.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("lib/a")
        member.size = 10
        tar.addfile(member, io.BytesIO(b"0123456789"))
    with pytest.raises(EnvironmentUnpackError, match="make room, or set DAI_SPARK_CACHE"):
        extract_archive(archive, tmp_path / "to")
