"""What a scorer process does on its connection: greets, describes, reads ahead, scores, answers."""

import os
import queue
import socket
import threading
import time
from typing import Any, Callable, Dict, Optional

from . import protocol
from .log import say
from .memory import peak_bytes, resident_bytes
from .pipeline import frames
from .pipeline.scorer import LoadedScorer, Refused
from .slots import Slot, take_slot
from .texts.error_text import sendable

# A client greets at once; one that does not is none of ours.
_GREETING_S = 30.0
# Limit of a frame whose first byte has come.
_STALL_S = 120.0
# A task's name stands in each of the log's lines.
_TASK_BYTES = 1000


class ScorerConnection:
    """The sidecar's end of one connection, served until FINISH, CANCEL or the client's close.

    Parameters
    ----------
    sock : socket.socket
    spec : dict
        The sidecar's, see `server`.  A client that names another key than its means another
        pipeline or licence.
    load : callable
        Gives the scorer; called when this connection may score.
    start_method : str
        ``"fork"`` or ``"spawn"``.
    n_batches_before : int
        That this process has answered on earlier connections.

    Attributes
    ----------
    n_batches : int
        Answered on this one.
    leaves_scorer_as_new : bool
        Whether, after `serve`, this process may serve another connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        spec: Dict[str, Any],
        load: Callable[[], LoadedScorer],
        start_method: str,
        n_batches_before: int,
    ) -> None:
        self._sock = sock
        self._key = spec["key"]
        self._run_folder = spec["run_folder"]
        self._load = load
        self._start_method = start_method
        self._n_batches_before = n_batches_before
        self.leaves_scorer_as_new = False
        self._options: Dict[str, Any] = {}
        self._task = "a client"
        self._slot = Slot(None)
        self._scorer: Optional[LoadedScorer] = None
        self._totals = {"n_rows": 0, "n_batches": 0, "scoring_s": 0.0}

    def serve(self) -> None:
        """Serve the connection to its end; raises nothing that the client could cause."""
        try:
            self._greet()
            self._answer_all()
        except (protocol.Closed, protocol.TimedOut):
            pass
        except protocol.BrokenProtocol as error:
            self._fail(Refused("protocol", error).data)
        except Refused as error:
            self._fail(error.data)
        finally:
            self._slot.release()

    @property
    def n_batches(self) -> int:
        """How many it has answered."""
        return int(self._totals["n_batches"])

    def _fail(self, data: Dict[str, str]) -> None:
        try:
            protocol.send(self._sock, protocol.ERROR, data)
        except protocol.Closed:
            pass

    def _greet(self) -> None:
        kind, hello = protocol.receive(self._sock, time.monotonic() + _GREETING_S)
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
        self._options = checked_options(hello.get("options", {}))
        self._task = sendable(hello.get("task", self._task), _TASK_BYTES)
        attempt = hello.get("task_attempt")
        if attempt is not None and not isinstance(attempt, str):
            raise protocol.BrokenProtocol("task_attempt is {!r}".format(attempt))
        self._log("serves {}".format(self._task))
        max_scorers = self._options.get("max_scorers")
        self._slot = take_slot(
            self._run_folder,
            max_scorers,
            attempt,
            lambda: protocol.send(self._sock, protocol.QUEUED, {"max_scorers": max_scorers}),
        )
        begun = time.monotonic()
        self._scorer = self._load()
        protocol.send(
            self._sock,
            protocol.READY,
            {
                "protocol": protocol.VERSION,
                "pid": os.getpid(),
                "sidecar_pid": os.getppid(),
                "start_method": self._start_method,
                "load_s": self._scorer.load_s,
                "loaded": self._scorer.loaded_at >= begun,
            },
        )

    def _log(self, text: str) -> None:
        say("scorer {} {}".format(os.getpid(), text))

    def _answer_all(self) -> None:
        assert self._scorer is not None
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
            if kind in (protocol.DESCRIBE, protocol.BATCH) and self._is_worn():
                self._leave("retires", protocol.RETIRED)
                return
            if kind == protocol.DESCRIBE:
                described = self._scorer.describe(self._options, self._start_method)
                protocol.send(self._sock, protocol.DESCRIPTION, described)
            elif kind == protocol.BATCH:
                self._answer_batch(payload)
                self._slot.answered()
            elif kind == protocol.FINISH:
                self._leave("has finished", protocol.DONE)
                self.leaves_scorer_as_new = self._is_as_new()
                return
            else:
                raise protocol.BrokenProtocol("{!r} has no place here".format(kind))

    def _is_worn(self) -> bool:
        assert self._scorer is not None
        if self._scorer.has_failed:
            return True
        # Never before its first batch: a limit below what loading took would end no scorer's wait.
        if not self._totals["n_batches"]:
            return False
        max_batches = self._options.get("max_batches")
        if max_batches is not None and self._n_batches_before + self.n_batches >= max_batches:
            return True
        max_memory_bytes = self._options.get("max_memory_bytes")
        return max_memory_bytes is not None and resident_bytes() > max_memory_bytes

    def _is_as_new(self) -> bool:
        if self._is_worn():
            return False
        # Where memory is short, a scorer that waits for a task must not hold a load of its own.
        return self._start_method == "fork" or self._options.get("max_scorers") is None

    def _leave(self, how: str, kind: bytes) -> None:
        peak = peak_bytes()
        totals = dict(self._totals, peak_memory_bytes=peak)
        self._log(
            "{}: {} rows in {} batches, {:.2f} s of scoring, at most {:.0f} MB of memory".format(
                how,
                self._totals["n_rows"],
                self._totals["n_batches"],
                self._totals["scoring_s"],
                peak / 1e6,
            )
        )
        protocol.send(self._sock, kind, totals)

    def _read_ahead(self, ahead: "queue.Queue[Any]") -> None:
        while True:
            try:
                kind, payload = protocol.receive(self._sock, stall_s=_STALL_S)
            except (protocol.Closed, protocol.TimedOut, OSError):
                # Nobody waits for what is being scored any more.
                os._exit(0)
            except Exception as error:
                # Whatever it is (no memory for a batch): the other thread must not wait for ever.
                ahead.put(error)
                return
            if kind == protocol.CANCEL:
                os._exit(0)
            ahead.put((kind, payload))
            if kind == protocol.FINISH:
                return

    def _answer_batch(self, payload: bytearray) -> None:
        assert self._scorer is not None
        begun = time.monotonic()
        try:
            try:
                frame, first_row = frames.to_frame(payload)
            except Exception as error:
                raise protocol.BrokenProtocol(
                    "a batch is not a readable Arrow stream: {}".format(error)
                ) from None
            # Before what the pipeline itself prints on these rows.
            last_row = first_row + len(frame) - 1
            self._log("scores rows {}-{} of {}".format(first_row, last_row, self._task))
            answer = self._scorer.score(frame, self._options)
            told = {
                "scoring_s": repr(time.monotonic() - begun),
                "peak_memory_bytes": str(peak_bytes()),
            }
            try:
                stream = frames.to_stream(answer, told)
            except Exception as error:
                raise Refused("scoring", error) from None
        except Refused as error:
            self._scorer.has_failed = True
            protocol.send(self._sock, protocol.FAILURE, error.data)
            return
        self._totals["n_rows"] += len(frame)
        self._totals["n_batches"] += 1
        self._totals["scoring_s"] += time.monotonic() - begun
        protocol.send(self._sock, protocol.RESULT, stream)


def checked_options(options: Any) -> Dict[str, Any]:
    """The options of a HELLO, or BrokenProtocol."""
    if not isinstance(options, dict) or not set(protocol.OPTIONS).issuperset(options):
        raise protocol.BrokenProtocol("unknown options {!r}".format(options))
    for name in protocol.LIMITS:
        value = options.get(name)
        if value is not None and not (type(value) is int and value > 0):
            raise protocol.BrokenProtocol("option {} is {!r}".format(name, value))
    for name in protocol.FLAGS:
        if not isinstance(options.get(name, False), bool):
            raise protocol.BrokenProtocol("option {} is {!r}".format(name, options[name]))
    if options.get("contributions") not in protocol.CONTRIBUTIONS:
        raise protocol.BrokenProtocol(
            "option contributions is {!r}".format(options["contributions"])
        )
    return options
