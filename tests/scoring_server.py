"""``dai-spark serve`` in a process of its own, and requests to it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np

START_LIMIT_S = 120


class ScoringServer:
    """A server on a port of its own, of HTTP and gRPC.

    Parameters
    ----------
    pipeline : str, Path or None
        None leaves it out, and the port.
    log : Path
    words : str
        Further words of its command line.
    environment : dict of str to str
        Of its process.
    """

    def __init__(self, pipeline, log, *words, environment=None):
        self.log = Path(log)
        command = [sys.executable, "-m", "dai_spark.cli", "serve"]
        if pipeline is not None:
            command += [str(pipeline), "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *map(str, words)],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self._client = None

    def wait(self, path="/ready"):
        """Wait until it is ready."""
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            with contextlib.suppress(httpx.TransportError, AttributeError):
                if self.client.get(path).status_code == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(self.log.read_text()[-3000:])

    @property
    def url(self):
        """Where HTTP is."""
        found = re.search(r"listening on (https?://\S+),", self.log.read_text())
        return found[1] if found else None

    @property
    def client(self):
        """A client of httpx."""
        if self._client is None:
            if self.url is None:
                raise AttributeError("it does not listen yet")
            self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        return self._client

    def end(self, limit_s=40):
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)

    def close(self):
        """End it, however it is."""
        if self._client is not None:
            self._client.close()
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.end()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


def same(found, own):
    """Whether rows of JSON are the pipeline's own bit for bit: their numbers as float32."""
    return [{name: np.float32(value) for name, value in row.items()} for row in found] == own
