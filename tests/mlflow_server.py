"""A server of MLflow's own, in a process of its own, and requests to it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_LIMIT_S = 120


class Server:
    """``mlflow models serve`` of one model."""

    def __init__(self, model_uri, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = Path(log)
        words = ["models", "serve", "-m", model_uri, "--env-manager", "local"]
        bin_folder = str(Path(sys.executable).parent)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words, "-p", str(self.port), "-h", "127.0.0.1"],
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            # It starts uvicorn by its name.
            env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"},
            start_new_session=True,
        )

    def wait(self):
        """Wait until it answers."""
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.get("/ping")[0] == 200:
                    return self
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-3000:])

    def get(self, path):
        """Status and text of an answer."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, body, content_type="application/json"):
        """Status of an answer of ``/invocations``, and what it holds."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations",
            data=data,
            headers={"Content-Type": content_type},
        )
        status, text = self._ask(request)
        return status, json.loads(text)

    def _ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def close(self):
        """End it, as a user does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
