"""What a task and Spark send each other goes at once, by the socket of Spark's worker."""

import io
import os
import socket

import pytest

from dai_spark.client.spark_hooks.worker_socket import worker_flush

# As in pyspark's worker: what it calls is found from below by the name and the file of this one.
WORKER = "def main(infile, outfile):\n    return list(rows())\n"


class Output(io.BytesIO):
    """A buffer that counts how often it was flushed."""

    n_flushed = 0

    def flush(self):
        self.n_flushed += 1


def rows():
    """What a body does: it flushes what Spark has written of its last batch."""
    flush = worker_flush()
    for row in range(3):
        yield row
        flush()


def in_worker(function, output):
    """Call a function as Spark's worker does."""
    space = {"rows": function}
    exec(compile(WORKER, "/somewhere/pyspark/worker.py", "exec"), space)
    return space["main"](None, output)


@pytest.fixture
def connection():
    """Both ends of a TCP connection, as between a worker and the JVM."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        yield ours, theirs


def test_each_batch_is_flushed_in_a_worker_of_sparks():
    """Behind each batch, when Spark asks for the next one."""
    output = Output()
    assert in_worker(rows, output) == [0, 1, 2]
    assert output.n_flushed == 3


def test_nothing_is_flushed_elsewhere():
    """In a process of the user's own there is no such output."""
    assert list(rows()) == [0, 1, 2]


def test_nothing_waits_for_an_acknowledgement(connection):
    """Small pieces are sent at once, and what has come is acknowledged at once."""
    ours, theirs = connection
    # An answer to each request makes the kernel wait with acknowledgements for the next answer.
    for _ in range(4):
        theirs.sendall(b"request")
        ours.recv(100)
        ours.sendall(b"answer")
        theirs.recv(100)
    assert not ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
    found = []

    def look():
        flush = worker_flush()
        found.append(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
        yield b"row"
        flush()

    with ours.makefile("wb") as output:
        in_worker(look, output)
    assert found == [1]
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    # The descriptor is still Spark's.
    ours.sendall(b"end")
    assert theirs.recv(100) == b"end"


def test_a_limit_for_all_sockets_is_not_for_sparks(connection):
    """Python takes such a limit by reading without waiting, for all that share the connection."""
    ours, _ = connection
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(5)
    try:
        with ours.makefile("wb") as output:
            assert in_worker(rows, output) == [0, 1, 2]
    finally:
        socket.setdefaulttimeout(before)
    assert os.get_blocking(ours.fileno())


def test_a_unix_socket_is_left_alone():
    """Spark may be told to use these, and they know none of this."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs, ours.makefile("wb") as output:
        assert in_worker(rows, output) == [0, 1, 2]
        ours.sendall(b"end")
        assert theirs.recv(100) == b"end"
