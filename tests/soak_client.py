"""Clients of one server that stay for long; each reply is compared, by the pipeline it names.

A process of its own::

    python soak_client.py HOST PORT N_CLIENTS N_REQUESTS CASES

where CASES is a JSON file of whole requests and, by digest, the body of their reply, in base64.
Says as JSON what became of the requests; while it runs, how many have a reply, a line a second.
"""

import asyncio
import base64
import json
import sys
import time
from collections import Counter
from pathlib import Path

import uvloop


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the last one has its reply."""

    def __init__(self, cases, first, whole):
        self._cases, self._next, self._whole = cases, first, whole
        self._buffer = b""
        self._waits = False
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        """Send the first."""
        self._transport = transport
        self._send()

    def _send(self):
        if self._whole.left <= 0:
            self._transport.close()
            return
        self._whole.left -= 1
        request, self._expected = self._cases[self._next % len(self._cases)]
        self._next += 1
        self._waits = True
        self._transport.write(request)

    def data_received(self, data):
        """Take a part of a reply."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        words = {}
        status, *lines = head.split(b"\r\n")
        for line in lines:
            name, _, value = line.partition(b":")
            words[name.lower()] = value.strip()
        if len(body) < int(words[b"content-length"]):
            return
        self._buffer, self._waits = b"", False
        self._whole.saw(status.split()[1].decode(), words, body, self._expected)
        self._send()

    def connection_lost(self, error):
        """The end; a request without a reply is lost."""
        self._whole.counts["lost"] += self._waits
        self.ended.set_result(None)


class Whole:
    """What became of all requests."""

    def __init__(self, n_requests):
        self.left = n_requests
        self.counts = Counter()
        self.digests = Counter()
        self.errors = []

    def saw(self, status, words, body, expected):
        """Take note of a reply."""
        self.counts[status] += 1
        if status != "200":
            self.errors.append(body.decode()[:300])
            return
        digest = words[b"x-model-digest"].decode()
        self.digests[digest] += 1
        self.counts["wrong"] += body != expected.get(digest)


async def soak(host, port, n_clients, n_requests, cases):
    """All clients until all requests have replies."""
    whole = Whole(n_requests)
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    clients = []
    for number in range(n_clients):
        _, client = await loop.create_connection(
            lambda number=number: Client(cases, number * 7, whole), host, port
        )
        clients.append(client)
    everyone = asyncio.gather(*(client.ended for client in clients))
    while not everyone.done():
        await asyncio.wait({everyone}, timeout=1)
        print(sum(whole.digests.values()), flush=True)
    return {
        "counts": whole.counts,
        "digests": whole.digests,
        "errors": whole.errors[:20],
        "seconds": time.perf_counter() - begun,
    }


def read(file):
    """Requests, and their replies by digest."""
    for request, expected in json.loads(Path(file).read_text()):
        replies = {digest: base64.b64decode(body) for digest, body in expected.items()}
        yield base64.b64decode(request), replies


if __name__ == "__main__":
    host, port, n_clients, n_requests, file = sys.argv[1:6]
    cases = list(read(file))
    print(json.dumps(uvloop.run(soak(host, int(port), int(n_clients), int(n_requests), cases))))
