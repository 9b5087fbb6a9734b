"""A Databricks workspace's HTTP answers, recorded, for Databricks' own SDK to ask for."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ABSENT = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "It does not exist."})


class Workspace:
    """A server on this machine: answers by request, in their order; the last one again and again.

    Attributes
    ----------
    answers : dict of str to list
        By ``"METHOD /path"``: bodies, or (status, body).
    asked : list of (str, object)
        What was asked that changes something: ``"METHOD /path"`` and its body.
    """

    def __init__(self, answers):
        self.answers = {name: list(some) for name, some in answers.items()}
        self.asked = []

    def answer(self, name, body):
        """The next answer of a request."""
        if not name.startswith("GET "):
            self.asked.append((name, body))
        some = self.answers.get(name)
        if not some:
            return ABSENT
        found = some.pop(0) if len(some) > 1 else some[0]
        return found if isinstance(found, tuple) else (200, found)


@contextlib.contextmanager
def serving(answers, patch):
    """Serve the answers; the SDK's settings name the server for the block."""
    workspace = Workspace(answers)

    class Handler(BaseHTTPRequestHandler):
        def _do(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            path = self.path.partition("?")[0]
            status, told = workspace.answer(f"{self.command} {path}", body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _do  # noqa: N815 - names of the standard library's

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    patch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{server.server_port}")
    patch.setenv("DATABRICKS_TOKEN", "a token of the tests")
    try:
        yield workspace
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
