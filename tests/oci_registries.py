"""A real OCI registry in a process of its own, on a port of this host."""

import contextlib
import shutil
import subprocess
import time

import httpx
import pytest
from free_port import free_port

PROGRAM = shutil.which("docker-registry")
START_LIMIT_S = 30


class OciServer:
    """The reference implementation of OCI's distribution, with an empty store.

    Parameters
    ----------
    folder : Path
        Of its store and its settings.
    htpasswd : Path, optional
        Its users; none lets everybody in.
    """

    def __init__(self, folder, htpasswd=None):
        if PROGRAM is None:
            pytest.skip("there is no docker-registry (apt install docker-registry)")
        self.address = f"127.0.0.1:{free_port()}"
        self.folder = folder
        lines = [
            "version: 0.1",
            "log: {level: error}",
            f"storage: {{filesystem: {{rootdirectory: {folder}/store}}}}",
            f"http: {{addr: '{self.address}'}}",
        ]
        if htpasswd is not None:
            lines.append(f"auth: {{htpasswd: {{realm: tests, path: {htpasswd}}}}}")
        config = folder / "config.yml"
        config.write_text("\n".join(lines))
        with (folder / "registry.log").open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", str(config)], stdout=log, stderr=subprocess.STDOUT
            )
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "registry.log").read_text()
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://{self.address}/v2/", trust_env=False)
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "registry.log").read_text())

    def blobs(self, digest):
        """The file of the store that has what is called so."""
        below = self.folder / "store" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        return below / digest[:2] / digest / "data"

    def close(self):
        """End it."""
        self.process.kill()
        self.process.wait(10)
