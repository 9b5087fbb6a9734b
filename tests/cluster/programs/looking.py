"""Looking at what a run left on this host: sidecar processes, and files of dai_spark."""

import os
import time
from pathlib import Path


def sidecars(folder):
    """Sidecars and scorers that work below a folder: pid to (is a sidecar itself, run folder)."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            working = str((process / "cwd").readlink())
            session = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[3]
        except (OSError, IndexError):
            continue
        # A sidecar works in <place>/dai_spark-<uid>/<key>/load, a scorer in scorer-<n> beside it.
        if working.startswith(str(folder)) and any("/sidecar/" in word for word in words):
            found[int(process.name)] = (session == process.name, str(Path(working).parent))
    return found


def beside(home):
    """All processes of sidecars (the writers of their logs too) that were given this HOME."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = b"/sidecar/" in (process / "cmdline").read_bytes()
            if is_ours and f"HOME={home}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_until(condition, timeout_s):
    """Wait for a condition, at most so long; return the seconds it took, or None."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout_s:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.05)
    return None


def leftovers(folder):
    """Sockets and folders of dai_spark below a folder; what Spark keeps of its own is not ours."""
    found = []
    # Unlike rglob, this bears that a JVM deletes folders meanwhile.
    for parent, folders, files in os.walk(folder):
        found += [Path(parent, name) for name in folders if name.startswith("dai_spark-")]
        found += [path for name in files if (path := Path(parent, name)).is_socket()]
    return sorted(map(str, found))


def java_above(pid):
    """The nearest java above a process, as dai_spark itself is not asked."""
    while pid > 1:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        name, _, fields = stat.rpartition(")")
        if name.endswith("(java"):
            return pid
        pid = int(fields.split()[1])
    return None


def java_below(pid):
    """The java that a driver's Python started."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, _, fields = (process / "stat").read_text(errors="replace").rpartition(")")
        except OSError:
            continue
        if name.endswith("(java") and int(fields.split()[1]) == pid:
            return int(process.name)
    return None


def python_workers(place):
    """Spark's Python processes of an executor, by its SPARK_LOCAL_DIRS: pid to parent's pid."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            variables = (process / "environ").read_bytes().decode("utf-8", "replace").split("\0")
            parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if b"-m\0pyspark." in line and f"SPARK_LOCAL_DIRS={place}" in variables:
            found[int(process.name)] = int(parent)
    return found


def zombies(parents):
    """Processes that ended and that one of `parents` has not asked for."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) in parents:
            found.append(int(process.name))
    return found


def scorer_folders(folder):
    """Working folders of scorers: path to whether the scorer has been given a batch.

    A stand-in writes each batch below its working folder, and keeps the last one.
    """
    found = {}
    # os.walk bears that folders go while it looks at them.
    for path, _, names in os.walk(folder):
        for part in Path(path).parts:
            if part.startswith("scorer-"):
                whose = Path(path[: path.index(f"/{part}") + len(part) + 1])
                found[whose] = found.get(whose, False) or "data_batch_0.jay" in names
    return found


def scorer_at_work(folder, but=()):
    """The folder of a scorer that has been given a batch, of none in `but`; None where none has."""
    found = scorer_folders(folder).items()
    return next((path for path, is_at_work in found if is_at_work and path not in but), None)
