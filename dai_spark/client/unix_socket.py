"""The socket of a sidecar, from the client's end."""

import os
import socket
import sys
import time
from pathlib import Path

from dai_spark.sidecar import protocol

__all__ = ["connected_socket"]

_CONNECT_POLL_S = 0.02


def connected_socket(run_folder: Path, timeout_s: float) -> socket.socket:
    """Connect to the sidecar that listens in `run_folder`; the socket does not block by itself.

    Raises
    ------
    OSError
        Nobody listens there.
    dai_spark.sidecar.protocol.TimedOut
        The sidecar took no connection within the limit.
    """
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # With a deadline on every send, a send may not block by itself; nor may a connect.
    found.setblocking(False)
    try:
        if sys.platform.startswith("linux"):
            # A Unix socket's address has 107 bytes; executors' folders are often deeper.  Through
            # a descriptor of the folder every path is short.
            folder = os.open(run_folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                path = f"/proc/self/fd/{folder}/{protocol.SOCKET_NAME}"
                _connect_within(found, path, timeout_s)
            finally:
                os.close(folder)
        else:
            _connect_within(found, str(run_folder / protocol.SOCKET_NAME), timeout_s)
    except BaseException:
        found.close()
        raise
    return found


def _connect_within(found: socket.socket, path: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found.connect(path)
            return
        except BlockingIOError:
            # More wait already than the sidecar has room for: it is stopped, or very busy.
            if time.monotonic() > deadline:
                raise protocol.TimedOut() from None
            time.sleep(_CONNECT_POLL_S)
