"""Secrets are files: one that is missing is one sentence, one that is replaced is taken up."""

import signal

import pytest
from processes import wait_until
from scoring_server import ScoringServer

from dai_spark.errors import OptionError
from dai_spark.serving.secret_files.bearer_token import BearerToken


def status(server, token):
    """Of a request with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return server.client.get("/metrics", headers=headers).status_code


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "is no text"),
        (b"a" * 70_000, "more than a token"),
        (b"one\ntwo", "more than a token"),
    ],
)
def test_a_file_without_a_token(tmp_path, content, what):
    """It is refused in a sentence that names the file."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OptionError, match=f"{file}.*{what}"):
        BearerToken.of_file(file)


@pytest.mark.parametrize("flag", ["--token-file", "--tls-key", "--license-file"])
def test_a_secret_that_is_not_there_ends_the_start(
    flag, export, packed_environment, license_file, tmp_path
):
    """The server ends at once, in one sentence that names the file, with status 2."""
    missing = tmp_path / "missing"
    words = ["--env", packed_environment.path, flag, missing]
    if flag == "--tls-key":
        words += ["--tls-cert", license_file]
    server = ScoringServer(export(), tmp_path / "log", *words)
    try:
        assert server.process.wait(60) == 2
    finally:
        server.close()
    told = server.log.read_text()
    assert str(missing) in told
    assert "Traceback" not in told


@pytest.mark.parametrize("by", ["signal", "time"])
def test_a_token_that_was_replaced(by, serve, export, tmp_path):
    """The new one is wanted and the old one refused; an empty file leaves what holds."""
    file = tmp_path / "token"
    file.write_text("old\n")
    words = ("--reload-s", 0.3) if by == "time" else ()
    server = serve(export(), "--token-file", file, *words)

    def look():
        if by == "signal":
            server.process.send_signal(signal.SIGHUP)

    assert status(server, "old") == 200
    assert status(server, "new") == 401
    # As Kubernetes puts a secret in place: another file under the same name.
    (tmp_path / "aside").write_text("new\n")
    (tmp_path / "aside").replace(file)
    look()
    assert wait_until(lambda: status(server, "new") == 200, 20)
    assert status(server, "old") == 401
    file.write_text("")
    look()
    assert wait_until(lambda: "The old token holds" in server.log.read_text(), 20)
    assert status(server, "new") == 200
    told = server.log.read_text()
    assert "is another one now" in told
    assert "Bearer" not in told
