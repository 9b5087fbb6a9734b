"""A port for a server of the tests."""

import socket


def free_port():
    """A port of this host's loopback that nobody listens on at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
