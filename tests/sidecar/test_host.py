"""What a host may have in store for a sidecar: full disks, deep folders, mounts, other users."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from mounts import fill, mounted
from processes import wait_until
from scoring_calls import batches_of, describe
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.client.executor import current_executor
from dai_spark.errors import (
    EnvironmentUnpackError,
    ScoringError,
    SidecarDiedError,
    SidecarStartError,
)
from dai_spark.host.cache_folder import private_folder
from dai_spark.testing import MARK_TEXT

NOBODY = 65534


@pytest.fixture
def disk_place(executor):
    """A function: an executor's place on a small disk, with the sidecar's log beside it."""
    with contextlib.ExitStack() as disks:

        def make(options, logs_on_it=False):
            disk = disks.enter_context(mounted(executor.folder / "disk", options))
            disks.callback(subprocess.run, ["rm", "-rf", str(disk / "local")], check=True)
            (disk / "local").mkdir(mode=0o700)
            logs = disk if logs_on_it else executor.folder
            return replace(executor, folder=disk / "local", log_folder=logs)

        yield make


def test_a_full_disk_of_the_run_folder_is_told(plan, disk_place):
    """A sidecar without room for its working folder ends; the sentence names the full disk."""
    executor = disk_place("size=64k")
    fill(executor.folder.parent)
    words = r"left with exit code 1 on this-host before .*\(the disk of \S+/disk/local is full\)"
    with pytest.raises(SidecarStartError, match=words) as caught:
        describe(plan(start_timeout_s=30), executor)
    assert "No space left on device" in caught.value.details
    assert not list(executor.folder.glob("*/ready.json"))


def test_a_disk_without_inodes_is_told(plan, disk_place):
    """Where not even a lock file can be made, the sentence names it."""
    executor = disk_place("nr_inodes=2")
    with pytest.raises(SidecarStartError, match=r"could not be started .*No space left .*\.lock"):
        describe(plan(), executor)


def test_a_disk_that_fills_up_costs_batches_and_no_sidecar(plan, disk_place, flights):
    """Those rows fail with the cause, since a pipeline writes files; with room, they score."""
    executor = disk_place("size=32m")
    made = describe(plan(), executor)
    whole = score_frame(made, executor, flights.head(20))
    (batch,) = batches_of(flights.head(20))
    with Connection(made, executor) as connection:
        filling = fill(executor.folder.parent)
        connection.send_batch(batch, 0)
        error = connection.receive_batch("rows 0-19")
        assert isinstance(error, ScoringError)
        assert "space left on device" in error.message
        full = r"\(the disk of \S+/disk/local is full\)"
        with contextlib.ExitStack() as stack:
            further = (stack.enter_context(Connection(made, executor)) for _ in range(3))
            # One or two scorers may still wait for a task; a further one wants a folder.
            with pytest.raises(SidecarDiedError, match=full):
                list(further)
        filling.unlink()
    pd.testing.assert_frame_equal(score_frame(made, executor, flights.head(20)), whole)


def test_a_full_disk_of_the_log_stops_nothing(plan, disk_place, executor, flights):
    """What is printed is dropped where the log's disk is full, and scoring goes on."""
    on_disk = disk_place("size=64k", logs_on_it=True)
    fill(on_disk.log_folder)
    sidecar_place = replace(executor, log_folder=on_disk.log_folder)
    made = describe(plan(), sidecar_place)
    assert len(score_frame(made, sidecar_place, flights.head(20))) == 20
    (log,) = on_disk.log_folder.glob("*.log")
    assert log.stat().st_size == 0


def test_a_deep_folder_is_no_limit(plan, executor, flights):
    """A Unix socket's address has 107 bytes; an executor's folder may have many more."""
    deep = executor.folder.joinpath(*["deep" * 12] * 8)
    deep.mkdir(parents=True, mode=0o700)
    assert len(str(deep)) > 400
    far = replace(executor, folder=deep)
    made = describe(plan(), far)
    assert len(score_frame(made, far, flights.head(20))) == 20
    assert list(deep.glob("*/scorer.sock"))


def test_a_noexec_local_folder_is_no_limit(plan, disk_place, flights):
    """Nothing is executed from SPARK_LOCAL_DIRS, so a mount that forbids it does not matter."""
    executor = disk_place("size=32m,noexec")
    made = describe(plan(), executor)
    assert len(score_frame(made, executor, flights.head(20))) == 20


def test_a_read_only_temporary_folder_is_told(tmp_path, monkeypatch):
    """Where the executor's own folder cannot be made: one sentence, and what to set."""
    monkeypatch.delenv("SPARK_LOCAL_DIRS", raising=False)
    with mounted(tmp_path / "disk", "size=64k") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=20)
        words = r"/disk/dai_spark-\S+ cannot be made \(Read-only file system\); set TMPDIR to"
        with pytest.raises(EnvironmentUnpackError, match=words):
            current_executor()


# -- another user ------------------------------------------------------------------------------

TRY_AS_NOBODY = f"""
import json, os, socket, sys
from pathlib import Path
os.setgid({NOBODY})
os.setuid({NOBODY})
told = {{}}
for name, path in json.loads(sys.argv[1]).items():
    try:
        if name == "socket":
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(path)
        elif Path(path).is_dir() or name.startswith("folder"):
            os.listdir(path)
        else:
            Path(path).read_bytes()
        told[name] = "got in"
    except OSError as error:
        told[name] = type(error).__name__
print(json.dumps(told))
"""


@pytest.fixture
def open_folder():
    """A folder that every user of this host may enter, with nothing private above it."""
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    with tempfile.TemporaryDirectory(prefix="dai_spark-test-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def as_nobody(**paths):
    """What another user of this host gets of these paths."""
    words = json.dumps({name: str(path) for name, path in paths.items()})
    # -I: that user may not read where this Python's own settings lie.
    done = subprocess.run(
        [sys.executable, "-I", "-c", TRY_AS_NOBODY, words],
        cwd="/",
        capture_output=True,
        check=True,
        timeout=30,
        text=True,
    )
    return json.loads(done.stdout)


def test_another_user_gets_in_nowhere(plan, executor, open_folder, flights):
    """Socket, run folder, log and cache refuse another user of the host, each by itself."""
    near = replace(executor, folder=private_folder(open_folder / f"dai_spark-{os.getuid()}"))
    made = describe(plan(), near)
    (run_folder,) = [path.parent for path in near.folder.glob("*/ready.json")]
    (log,) = near.folder.glob("*.log")
    asked = {
        "folder_of_place": near.folder,
        "folder_of_run": run_folder,
        "socket": run_folder / "scorer.sock",
        "log": log,
    }
    refused = dict.fromkeys(asked, "PermissionError")
    assert as_nobody(**asked) == refused
    # Each is shut by itself: with the place's folder open, the others still refuse.
    near.folder.chmod(0o755)
    assert as_nobody(**asked) == {**refused, "folder_of_place": "got in"}
    run_folder.chmod(0o755)
    told = as_nobody(**asked)
    assert (told["socket"], told["log"]) == ("PermissionError", "PermissionError")
    assert len(score_frame(made, near, flights.head(20))) == 20
    subprocess.run(["rm", "-rf", str(near.folder)], check=True, timeout=20)


def test_a_folder_that_another_user_made_first_is_refused(open_folder):
    """Ours by name and not by owner: nothing is put there, and one sentence says whose it is."""
    taken = open_folder / f"dai_spark-{os.getuid()}"
    taken.mkdir(mode=0o777)
    os.chown(taken, NOBODY, NOBODY)
    words = (
        r"dai_spark-0 is not a folder of user 0 \(it belongs to user 65534\), so nothing can "
        r"safely be run from it; set spark\.local\.dir to"
    )
    with pytest.raises(EnvironmentUnpackError, match=words):
        private_folder(taken, "spark.local.dir")
    # A link to a folder of ours is no folder either: its owner may turn it elsewhere.
    ours = open_folder / "ours"
    ours.mkdir(mode=0o700)
    link = open_folder / "link"
    link.symlink_to(ours)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(EnvironmentUnpackError, match="is not a folder of user 0"):
        private_folder(link)
    assert list(taken.iterdir()) == list(ours.iterdir()) == []


# -- memory ------------------------------------------------------------------------------------

WITH_LIMIT = """
import json, resource, sys
import pandas as pd
from dai_spark import score_pandas
from dai_spark.errors import DaiSparkError
words = json.loads(sys.stdin.read())
frame = pd.read_parquet(words["rows"])
resource.setrlimit(resource.RLIMIT_AS, (words["limit_bytes"], words["limit_bytes"]))
for pipeline in words["pipelines"]:
    try:
        print(len(score_pandas(frame, pipeline, words["env"], license=words["license"])))
    except DaiSparkError as error:
        print(type(error).__name__, error.message)
"""


def test_a_limit_on_memory_is_named(export, packed_environment, license_text, flights, tmp_path):
    """What Spark limits in a worker its children inherit: the setting stands in each error."""
    marked = flights.head(100).copy()
    marked.loc[50, "carrier"] = MARK_TEXT
    marked.to_parquet(tmp_path / "rows.parquet")
    fates = ("large_in_load", "large_in_score", "exit_in_score", "")
    words = {
        "rows": str(tmp_path / "rows.parquet"),
        "limit_bytes": 3000 << 20,
        "pipelines": [str(export(fate=fate)) for fate in fates],
        "env": str(packed_environment.path),
        "license": license_text,
    }
    done = subprocess.run(
        [sys.executable, "-c", WITH_LIMIT],
        input=json.dumps(words),
        env={**os.environ, "TMPDIR": str(tmp_path), "PYSPARK_EXECUTOR_MEMORY_MB": "3000"},
        capture_output=True,
        check=True,
        timeout=100,
        text=True,
    )
    told = done.stdout.splitlines()
    clause = "3,000 MB of memory addresses, which is spark.executor.pyspark.memory divided by"
    for line, kind in zip(told, ("SidecarStartError", "ScoringError", "SidecarDiedError")):
        assert line.startswith(kind), line
        assert clause in line
    assert "MemoryError" in told[0]
    assert "MemoryError" in told[1]
    # A limit that is high enough is in nobody's way.
    assert told[3:] == ["100"]
    assert wait_until(lambda: not list(tmp_path.glob("dai_spark-*")), 10)
