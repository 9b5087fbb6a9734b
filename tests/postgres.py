"""A PostgreSQL server of a test's own, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

_LIMIT_S = 60


def programs():
    """The folder of the server's programs, or None where none is installed."""
    found = shutil.which("initdb") or shutil.which("postgres")
    if found is None:
        found = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None)
    return None if found is None else Path(found).resolve().parent


class Server:
    """A running server, and SQL by its own client."""

    def __init__(self, folder, port, password):
        self.folder, self.port, self.password = folder, port, password
        self.url = f"jdbc:postgresql://127.0.0.1:{port}/postgres"
        # The server refuses to run as root; Debian's package has a user for it.
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}

    def call(self, program, *arguments, **more):
        """Run one of PostgreSQL's programs and return what it prints."""
        told = subprocess.run(
            [programs() / program, *map(str, arguments)],
            **self._user,
            **more,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT_S,
            text=True,
        )
        assert told.returncode == 0, told.stdout
        return told.stdout

    def start(self):
        """Start it and wait until it answers."""
        settings = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
        settings += f"-c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        self.call("pg_ctl", "-D", self.folder / "data", "-l", log, "-w", "-o", settings, "start")

    def stop(self):
        """Stop it, with its connections."""
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def sql(self, text):
        """Run statements; the rows of the last one, its fields joined by ``|``."""
        words = ["-h", self.folder, "-p", self.port, "-U", "owner", "-d", "postgres"]
        told = self.call("psql", *words, "-v", "ON_ERROR_STOP=1", "-q", "-A", "-t", "-c", text)
        return told.splitlines()


@contextmanager
def server(password):
    """Start a server with one user, `owner`, and end it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(folder, port, password)
    try:
        (folder / "password").write_text(password)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        words = ["-U", "owner", "-A", "scram-sha-256", "--pwfile", folder / "password", "--no-sync"]
        made.call("initdb", "-D", folder / "data", *words)
        made.start()
        yield made
    finally:
        with suppress(Exception):
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
