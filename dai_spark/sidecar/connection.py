"""What a scorer process does on its connection: greets, describes, reads ahead, scores, answers."""

import os
import queue
import resource
import socket
import sys
import threading
import time
from typing import Any, Dict

from . import frames, protocol
from .scorer import LoadedScorer, Refused


class ScorerConnection:
    """The sidecar's end of one connection, served until FINISH, CANCEL or the client's close.

    Parameters
    ----------
    sock : socket.socket
    key : str
        The sidecar's key.  A client that names another means another pipeline or licence.
    scorer : LoadedScorer
    start_method : str
        ``"fork"`` or ``"spawn"``.
    """

    def __init__(
        self, sock: socket.socket, key: str, scorer: LoadedScorer, start_method: str
    ) -> None:
        self._sock = sock
        self._key = key
        self._scorer = scorer
        self._start_method = start_method
        self._options: Dict[str, Any] = {}
        self._totals = {"n_rows": 0, "n_batches": 0, "scoring_s": 0.0}

    def serve(self) -> None:
        """Serve the connection to its end; raises nothing that the client could cause."""
        try:
            self._greet()
            self._answer_all()
        except protocol.Closed:
            pass
        except protocol.BrokenProtocol as error:
            self._fail(Refused("protocol", error).data)
        except Refused as error:
            self._fail(error.data)

    def _fail(self, data: Dict[str, str]) -> None:
        try:
            protocol.send(self._sock, protocol.ERROR, data)
        except protocol.Closed:
            pass

    def _greet(self) -> None:
        kind, hello = protocol.receive(self._sock)
        if kind != protocol.HELLO or not isinstance(hello, dict):
            raise protocol.BrokenProtocol("the first message is {!r}, not HELLO".format(kind))
        if hello.get("protocol") != protocol.VERSION:
            raise protocol.BrokenProtocol(
                "the client speaks version {!r} of the protocol, this sidecar {}".format(
                    hello.get("protocol"), protocol.VERSION
                )
            )
        if hello.get("key") != self._key:
            raise protocol.BrokenProtocol("the client's key is not this sidecar's")
        self._options = dict(hello.get("options", {}))
        unknown = set(self._options) - {"margin"}
        if unknown:
            raise protocol.BrokenProtocol("unknown options {}".format(sorted(unknown)))
        print("dai_spark: scorer {} serves {}".format(os.getpid(), hello.get("task", "a client")))
        sys.stdout.flush()
        protocol.send(
            self._sock,
            protocol.READY,
            {
                "protocol": protocol.VERSION,
                "pid": os.getpid(),
                "sidecar_pid": os.getppid(),
                "start_method": self._start_method,
            },
        )

    def _answer_all(self) -> None:
        # One waits here while one is scored: that is the "read ahead" of the protocol.
        ahead: queue.Queue[Any] = queue.Queue(maxsize=1)
        reader = threading.Thread(target=self._read_ahead, args=(ahead,))
        reader.daemon = True
        reader.start()
        while True:
            message = ahead.get()
            if isinstance(message, Exception):
                raise message
            kind, payload = message
            if kind == protocol.DESCRIBE:
                described = self._scorer.describe(self._options, self._start_method)
                protocol.send(self._sock, protocol.DESCRIPTION, described)
            elif kind == protocol.BATCH:
                self._answer_batch(payload)
            elif kind == protocol.FINISH:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                totals = dict(self._totals, peak_memory_bytes=peak)
                protocol.send(self._sock, protocol.DONE, totals)
                return
            else:
                raise protocol.BrokenProtocol("{!r} has no place here".format(kind))

    def _read_ahead(self, ahead: "queue.Queue[Any]") -> None:
        while True:
            try:
                kind, payload = protocol.receive(self._sock)
            except (protocol.Closed, OSError):
                # Nobody waits for what is being scored any more.
                os._exit(0)
            except protocol.BrokenProtocol as error:
                ahead.put(error)
                return
            if kind == protocol.CANCEL:
                os._exit(0)
            ahead.put((kind, payload))
            if kind == protocol.FINISH:
                return

    def _answer_batch(self, payload: bytearray) -> None:
        begun = time.time()
        try:
            try:
                frame = frames.to_frame(payload)
            except Exception as error:
                raise protocol.BrokenProtocol(
                    "a batch is not a readable Arrow stream: {}".format(error)
                ) from None
            answer = self._scorer.score(frame, self._options)
            try:
                stream = frames.to_stream(answer)
            except Exception as error:
                raise Refused("scoring", error) from None
        except Refused as error:
            protocol.send(self._sock, protocol.FAILURE, error.data)
            return
        self._totals["n_rows"] += len(frame)
        self._totals["n_batches"] += 1
        self._totals["scoring_s"] += time.time() - begun
        protocol.send(self._sock, protocol.RESULT, stream)
