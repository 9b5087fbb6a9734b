"""Looking at the sidecars and scorers that handles of this process, or of another, stand on."""

import json
import os
import tempfile
from pathlib import Path


def places(pid=None, below=None):
    """Folders of processes that score locally: of one, or of all below a temporary folder."""
    root = Path(below or tempfile.gettempdir())
    return sorted(
        root.glob(f"dai_spark-{os.getuid()}-{pid or os.getpid() if not below else '*'}-*")
    )


def sidecars(pid=None, below=None):
    """Process ids of living sidecars."""
    found = []
    for place in places(pid, below):
        for ready in place.glob("*/ready.json"):
            sidecar = json.loads(ready.read_text())["pid"]
            if Path(f"/proc/{sidecar}").exists():
                found.append(sidecar)
    return found


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
