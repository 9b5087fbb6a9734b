"""A registry of images on this machine that wants a password: Debian's docker-registry."""

import contextlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

USER, PASSWORD = "robot", "pass-word-of-the-registry"
CONFIG = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}/store
http:
  addr: 127.0.0.1:{port}
auth:
  htpasswd:
    realm: dai_spark
    path: {folder}/htpasswd
"""


def free_port():
    """A port of this machine's loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def registry(folder):
    """Start it; gives host and port."""
    port = free_port()
    # The registry wants bcrypt, which the system's own crypt has.
    script = "print crypt($ARGV[0], q{$2b$05$abcdefghijklmnopqrstuu})"
    hashed = subprocess.run(
        ["perl", "-e", script, PASSWORD], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 30
        while _status(port) != 401:
            assert process.poll() is None, (folder / "registry.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _status(port):
    """What it answers to who gives no password; 0 while it does not listen."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
    return 200
