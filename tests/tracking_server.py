"""``mlflow server`` in a process of its own: tracking, registry, and artifacts through it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

START_LIMIT_S = 120


class TrackingServer:
    """A server with one worker, whose store and artifacts lie in a folder that clients never see.

    A context manager; it can be stopped and started again on its port.
    """

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = Path(folder)
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process = None

    def __enter__(self):
        where = ("--backend-store-uri", f"sqlite:///{self.folder}/server.db")
        kept = ("--artifacts-destination", str(self.folder / "artifacts"), "--serve-artifacts")
        listens = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        bin_folder = str(Path(sys.executable).parent)
        plain = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *where, *kept, *listens],
                stdout=log,
                stderr=subprocess.STDOUT,
                # It starts uvicorn by its name.
                env={
                    **plain,
                    "PATH": f"{bin_folder}:{os.environ['PATH']}",
                    # Three further processes that nothing here wants.
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                },
                start_new_session=True,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health"):
                return self
            time.sleep(0.1)
        self.__exit__()
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
