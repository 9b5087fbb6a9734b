"""A connection on its way from the sidecar to one of its scorer processes, and the word back.

Between the two stands a pair of sockets of their own.  The sidecar sends a connection's descriptor
over it; the scorer says when it has loaded, and when it is free for the next connection.  Either
end reads that the other is gone.
"""

import array
import os
import socket
from typing import Optional

IDLE = b"i"
LOADED = b"l"
_CONNECTION = b"c"


def send_connection(control: socket.socket, connection: socket.socket) -> None:
    """Give a connection to the scorer at the other end; raises OSError where that has ended."""
    descriptor = array.array("i", [connection.fileno()])
    control.sendmsg([_CONNECTION], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)])


def receive_connection(control: socket.socket) -> Optional[socket.socket]:
    """Wait for the next connection; None where the sidecar has no more use for this scorer."""
    descriptor = array.array("i")
    try:
        word, ancillary, _, _ = control.recvmsg(1, socket.CMSG_LEN(descriptor.itemsize))
    except ConnectionResetError:
        return None
    if not word:
        return None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptor.frombytes(data[: descriptor.itemsize])
    # What a pipeline starts must not hold it.
    os.set_inheritable(descriptor[0], False)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor[0])
    # A pipeline may have set a default limit for all sockets.
    connection.setblocking(True)
    return connection


def send_word(control: socket.socket, word: bytes) -> None:
    """Say LOADED, or IDLE: this scorer has closed its connection and waits for another."""
    try:
        control.send(word)
    except OSError:
        # The sidecar is gone, which the next `receive_connection` tells.
        pass
