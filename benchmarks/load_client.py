"""Many clients of one server, each with a connection that stays open; every reply is compared.

A process of its own::

    python load_client.py HOST PORT N_CLIENTS N_REQUESTS REQUESTS

where REQUESTS is a JSON file of pairs, a whole request and the body that its reply must have, in
base64.  Says as JSON the seconds of each request, those of all, and how many replies were others.
"""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import uvloop


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the last one has its reply."""

    def __init__(self, pairs, first, take, done):
        self._pairs, self._next, self._take, self._done = pairs, first, take, done
        self._buffer = b""
        self.seconds, self.n_wrong = [], 0

    def connection_made(self, transport):
        """Send the first."""
        self._transport = transport
        self._send()

    def _send(self):
        if not self._take():
            self._transport.close()
            return
        request, self._expected = self._pairs[self._next % len(self._pairs)]
        self._next += 1
        self._begun = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data):
        """Take a part of a reply."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        n_bytes = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < n_bytes:
            return
        self.seconds.append(time.perf_counter() - self._begun)
        self.n_wrong += b" 200 " not in head[:16] or body != self._expected
        self._buffer = b""
        self._send()

    def connection_lost(self, error):
        """The end."""
        self._done.set_result(None)


async def load(host, port, n_clients, n_requests, pairs):
    """All clients until all requests have replies."""
    left = n_requests

    def take():
        nonlocal left
        left -= 1
        return left >= 0

    loop = asyncio.get_running_loop()
    clients, ends = [], []
    begun = time.perf_counter()
    for number in range(n_clients):
        done = loop.create_future()
        _, client = await loop.create_connection(
            lambda number=number, done=done: Client(pairs, number * 7, take, done), host, port
        )
        clients.append(client)
        ends.append(done)
    await asyncio.gather(*ends)
    return {
        "total_s": time.perf_counter() - begun,
        "seconds": sorted(s for client in clients for s in client.seconds),
        "n_wrong": sum(client.n_wrong for client in clients),
    }


if __name__ == "__main__":
    host, port, n_clients, n_requests, file = sys.argv[1:6]
    pairs = [tuple(map(base64.b64decode, pair)) for pair in json.loads(Path(file).read_text())]
    print(json.dumps(uvloop.run(load(host, int(port), int(n_clients), int(n_requests), pairs))))
