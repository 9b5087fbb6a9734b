"""SidecarHandle: a running (or failed) sidecar as its clients see it: its folder, log and words."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Optional

from dai_spark.artifacts.license import License
from dai_spark.client.executor import ProcessId
from dai_spark.sidecar import protocol
from dai_spark.sidecar.texts.secret import Secret
from dai_spark.sidecar.verdict import has_loaded

__all__ = ["SidecarHandle", "signal_name"]

_LOG_TAIL_BYTES = 4096
_LOG_DELAY_S = 1.0
# What is read before the tail, for a licence that stands across its beginning.
_MORE_BYTES = 1 << 16


class SidecarHandle:
    """A sidecar of this executor, whether it runs, loads or has failed.

    Attributes
    ----------
    run_folder : Path
    log : Path
    key : str
    license : License or None
        The one it was started with; taken out of every text that leaves through this class.
    was_started : bool
        Whether this process has just started it.
    """

    def __init__(self, run_folder: Path, log: Path, key: str, license: Optional[License]) -> None:
        self.run_folder = run_folder
        self.log = log
        self.key = key
        self.license = license
        self.was_started = False
        self._secret = Secret(None if license is None else license.reveal())

    def clean(self, text: str) -> str:
        """`text` without the licence, should the pipeline have printed it."""
        return self._secret.clean(text)

    def log_tail(self, until: str = "") -> str:
        """The last lines that sidecar and pipeline printed.

        Parameters
        ----------
        until : str, default ""
            A text that is on its way into the log, and is waited for (a second at most): another
            process writes the log, a moment after the end that it tells of.
        """
        deadline = time.monotonic() + _LOG_DELAY_S
        while True:
            tail = _tail(self.log)
            if len(tail) < _LOG_TAIL_BYTES:
                # It was begun anew a moment ago.
                tail = _tail(self.log.with_name(f"{self.log.name}.1")) + tail
            # Cleaned before it is cut: half a licence is not known for one.
            text = self.clean(tail.decode("utf-8", "replace"))[-_LOG_TAIL_BYTES:].strip()
            if until in text or time.monotonic() > deadline:
                return text
            time.sleep(0.01)

    def exit_of(self, pid: int) -> Optional[str]:
        """How a scorer process ended, in words; None where the sidecar has not told it."""
        path = self.run_folder / protocol.EXITS_NAME / f"{pid}.json"
        try:
            exit_status = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if exit_status["signal"] is not None:
            return f"was killed by signal {signal_name(exit_status['signal'])}"
        if exit_status["exit_code"] is None:
            return (
                "ended, and its exit status was taken by the pipeline, which ignores SIGCHLD or "
                "waits for all children of its process"
            )
        return f"left with exit code {exit_status['exit_code']}"

    def verdict(self) -> Optional[Dict[str, Any]]:
        """Why the sidecar did not come up, where that is known."""
        try:
            text = (self.run_folder / protocol.VERDICT_NAME).read_text(encoding="utf-8")
            return dict(json.loads(text))
        except (OSError, ValueError):
            return None

    def is_ready(self) -> bool:
        """Whether it has said that it listens."""
        return (self.run_folder / protocol.READY_NAME).exists()

    def begin_loading(self) -> None:
        """Say that its process is about to be started, which takes it back when it listens."""
        (self.run_folder / protocol.LOADING_NAME).touch(mode=0o600)

    def was_loading(self) -> bool:
        """Whether its process, which may have ended, has never listened."""
        return (self.run_folder / protocol.LOADING_NAME).exists()

    def loads_in_scorers(self) -> bool:
        """Whether each scorer loads for itself, and none of them has done so yet."""
        try:
            text = (self.run_folder / protocol.READY_NAME).read_text(encoding="utf-8")
            is_spawned = json.loads(text).get("start_method") == "spawn"
        except (OSError, ValueError, AttributeError):
            return False
        return is_spawned and not has_loaded(str(self.run_folder))

    def process(self) -> Optional[ProcessId]:
        """The process that has said that it listens; None where that is not told."""
        try:
            text = (self.run_folder / protocol.READY_NAME).read_text(encoding="utf-8")
            return ProcessId.of(int(json.loads(text)["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget_ready(self) -> None:
        """Take back that it listens; only the holder of its lock may."""
        with suppress(FileNotFoundError):
            (self.run_folder / protocol.READY_NAME).unlink()


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            n_before = stream.tell() - _LOG_TAIL_BYTES - _MORE_BYTES
            stream.seek(max(0, n_before))
            read = stream.read()
    except OSError:
        return b""
    # From a line's beginning on: the read began somewhere within one.
    return read.partition(b"\n")[2] or read if n_before > 0 else read


def signal_name(number: int) -> str:
    """A signal's number and name: ``11 (SIGSEGV)``."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
