"""Looking at the sidecars and scorers that handles stand on."""

import json
from pathlib import Path


def sidecar_of(scorer):
    """Process id of a handle's living sidecar, or None."""
    folder = scorer._pool.executor.folder / scorer.key[:20]
    return next(iter(_sidecars(folder.parent.glob(f"{folder.name}/ready.json"))), None)


def places(folder):
    """Folders of the processes that score locally, below their temporary folder."""
    return sorted(folder.glob("dai_spark-*"))


def sidecars(folder):
    """Process ids of their living sidecars."""
    return _sidecars(folder.glob("dai_spark-*/*/ready.json"))


def _sidecars(told):
    found = [json.loads(ready.read_text())["pid"] for ready in told]
    return [pid for pid in found if lives(pid)]


def scorers(sidecar):
    """Process ids of a sidecar's living scorers: its children, without the log's writer."""
    try:
        children = Path(f"/proc/{sidecar}/task/{sidecar}/children").read_text().split()
    except OSError:
        return []
    return [int(pid) for pid in children if lives(int(pid)) and not _writes_log(pid)]


def _writes_log(pid):
    # It leaves the sidecar's folders, and a scorer does not.
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    except OSError:
        return True


def lives(pid):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
