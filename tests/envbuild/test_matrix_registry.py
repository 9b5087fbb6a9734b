"""A lane of the matrix whose registry gives no answer is told as such, and not as a wrong score."""

import http.server
import shutil
import threading
from pathlib import Path

import pytest
from matrix import debian_python
from matrix.environments import UV, InstallError, RegistryError, failure, run
from matrix.lanes import DEFAULT, chosen
from matrix.run import NOT_TRIED, run_lane, told
from wheels import wheel

NOBODY = "http://127.0.0.1:9/simple"


@pytest.fixture(autouse=True)
def _asked_once(monkeypatch, tmp_path):
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def registry():
    """A function that starts an index which answers everything with one status; gives its URL."""
    servers = []

    def start(status):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(status)

            def log_message(self, *words):
                """Nobody reads it."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/simple"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def resolve(folder, url, *wanted):
    """Ask uv which packages would be installed."""
    listed = folder / "wanted.in"
    listed.write_text("\n".join(wanted), encoding="utf-8")
    run([UV, "pip", "compile", "--quiet", "--default-index", url, str(listed)])


def test_a_registry_that_does_not_answer_is_no_fault_of_the_lane(registry, tmp_path):
    """Nobody listens, or what listens has a fault of its own."""
    for url in (NOBODY, registry(503)):
        with pytest.raises(RegistryError):
            resolve(tmp_path, url, "six==1.0")


def test_what_cannot_be_installed_is_a_fault_of_the_lane(registry, tmp_path):
    """The registry has no such package, or no resolver can solve what is asked."""
    with pytest.raises(InstallError):
        resolve(tmp_path, registry(404), "six==1.0")
    one = wheel(tmp_path, "tiny", {"tiny.py": ""})
    with pytest.raises(InstallError):
        resolve(tmp_path, registry(404), f"tiny @ {one.as_uri()}", "tiny==7")


def test_a_full_disk_is_not_taken_for_a_registry():
    """Tools tell it among what they could not fetch."""
    said = "Failed to download pyspark\n  Caused by: {}"
    assert isinstance(failure(said.format("operation timed out"), 1), RegistryError)
    full = failure(said.format("No space left on device (os error 28)"), 1)
    assert isinstance(full, InstallError)
    assert "No space left" in str(full)


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="a system without Debian's packages")
def test_packages_of_the_system_are_told_the_same_way(monkeypatch, tmp_path):
    """The newest Python comes from there."""
    monkeypatch.setattr(debian_python, "_mirror", lambda: NOBODY)
    with pytest.raises(RegistryError):
        debian_python.unpack(tmp_path / "python", "3.14", run)
    assert not (tmp_path / "python").exists()


def test_a_lane_without_a_registry_is_not_tried(monkeypatch, tmp_path):
    """It says so, and gives no result that is wrong."""
    monkeypatch.setattr("matrix.environments.BUILD", tmp_path)
    monkeypatch.setattr("matrix.environments.WHEELS", tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", NOBODY)
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOBODY)
    (lane,) = chosen([DEFAULT])
    one = wheel(tmp_path, "dai_spark", {"dai_spark/__init__.py": ""})
    result = run_lane(lane, Path(one))
    assert result["outcome"] == NOT_TRIED
    assert result["ways"] == {}
    assert "a registry gave no answer" in told(result)
    assert "wrong" not in told(result)
