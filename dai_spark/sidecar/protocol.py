"""What is said on the Unix socket between a client (Spark's Python worker) and the sidecar.

This file is the contract: both sides import it, and another client can be written from this text.

The place
    The sidecar listens on the stream socket ``scorer.sock`` in its run folder, which only its user
    can enter.  One connection serves one task (or one local call).  Behind every connection
    stands a scorer process that serves no other at the same time, named by `pid` in READY.

The frame
    ``kind`` (1 byte), ``length`` (8 bytes, unsigned, little endian), then `length` bytes of
    payload.  A payload is empty, one JSON object in UTF-8, or one complete Arrow IPC stream
    that holds one record batch (schema and batch in one frame, so that a frame needs no other
    to be read).  There is no pickle.

The order, client to sidecar::

    HELLO DESCRIBE* BATCH* FINISH        or CANCEL, or simply closing, at any point

    HELLO     JSON  {"protocol": 1, "key": TEXT, "options": OPTIONS, "task": TEXT,
                     "task_attempt": TEXT|null}: connections that name the same attempt, to any
                    sidecar of an executor, are one task to max_scorers; null is a task of its own
    DESCRIBE  JSON  {}
    BATCH     Arrow the pipeline's columns, in any order, of the types in `columns.py`; the schema's
                    metadata may name the rows for the log: {"first_row": TEXT of an integer}
    FINISH    empty no more batches will come
    CANCEL    empty nothing that is still under way is wanted; no answer follows.  dai_spark's own
                    client closes instead, which does the same; Spark's protocol for UDFs out of
                    process (SPARK-55278) has the message

The order, sidecar to client: one answer to each message, in the order of the messages::

    QUEUED       JSON  before READY {"max_scorers": INT}: as many score already, and one of them
                                     has answered a batch since the last QUEUED; sent again while
                                     that goes on, so a client that hears nothing waits in vain
    READY        JSON  to HELLO     {"protocol": 1, "pid": INT, "sidecar_pid": INT,
                                     "start_method": "fork"|"spawn", "load_s": FLOAT,
                                     "loaded": BOOL}: whether for this connection
    DESCRIPTION  JSON  to DESCRIBE  see below
    RESULT       Arrow to BATCH     as many rows, in the same order; the schema's metadata tells
                                     {"scoring_s": TEXT of a float, "peak_memory_bytes": TEXT of an
                                     integer}: what this batch took, and the scorer so far.
                                     Types are those of this batch, each of DESCRIPTION's: float,
                                     double, int32, int64, bool, string; a pipeline may answer
                                     others than it described, and the client takes what is exact
    FAILURE      JSON  to BATCH     an error object; the scorer scores nothing more, since its
                                     pipeline may have stopped halfway: what comes next is RETIRED
    RETIRED      JSON  to BATCH, DESCRIBE   TOTALS; this message and later ones were not looked at,
                                     then the sidecar closes: connect again and send them again
    DONE         JSON  to FINISH    TOTALS; then the sidecar closes
    ERROR        JSON  to anything  an error object; then the sidecar closes

OPTIONS, an object of any of these::

    contributions       "transformed"|"original"|null: what each feature adds to the margin, of the
                        features that the pipeline makes or of the table's own columns, in place of
                        the prediction
    margin              BOOL: the margin in place of the prediction
    fast_approx         BOOL: contributions by fewer trees, where the pipeline's version can
    apply_data_recipes  BOOL: batches are raw data, to which the pipeline applies its data recipe
    max_scorers         INT|null: tasks whose scorers may score at this sidecar at the same time
    max_batches         INT|null, and
    max_memory_bytes    INT|null, resident: a scorer that has reached one of these two, over all its
                        connections, is RETIRED by its next batch, though not by the first of a
                        connection

DESCRIPTION::

    columns             [TEXT]: the columns that the pipeline uses, in its own order
    output              [[NAME, ARROW TYPE]]: of each column of its answer, with these options
    labels              [TEXT]|null: class labels; null of a regression, and where none are told
    signatures          {"score": [TEXT], "score_batch": [TEXT]}: arguments that they know,
                        ``**`` among them where they take any
    load_s              FLOAT: seconds that `Scorer()` took
    memory_bytes        INT: of this process, at its largest
    versions            {"python": TEXT, "pandas": TEXT, "pyarrow": TEXT}
    start_method        "fork"|"spawn"
    depends_on_batch    BOOL: rows of the export's example have other scores alone than together
    path_columns        [TEXT]: of `columns`, those that image transformers read: paths of files

TOTALS: ``{"n_rows": INT, "n_batches": INT, "scoring_s": FLOAT, "peak_memory_bytes": INT}`` of this
connection, the last of its scorer's whole life.

A client may send a second batch before the first is answered, and no third: the sidecar reads one
batch ahead of the one it scores, so neither side ever waits for the other to read.

Error object: ``{"kind": KIND, "type": TEXT, "message": TEXT, "traceback": TEXT}``, where KIND is
``license`` (the pipeline refused its licence), ``load`` (`Scorer()` raised), ``scoring`` (the
pipeline raised on a batch, or answered it wrongly), ``ended`` (a process that loaded it ended and
said nothing; the message says how), ``option`` (its version has no argument for
what the connection's options ask), ``protocol`` (the other side broke these rules).  Classes never
cross, only text: of valid Unicode, without the licence, a message of at most 16 KiB and a traceback
of at most 64 (128 with `diagnose`), longer ones with their middle left out.

A scorer that dies without an answer closes the connection.  The sidecar, its parent, first
writes ``exits/<pid>.json`` into the run folder (``{"signal": INT|null, "exit_code": INT|null}``)
and closes after that, so a client that sees the end of the stream finds the exit status there.
``verdict.json`` in the run folder, an error object with ``"time"`` (seconds since 1970), says why
the sidecar did not come up (one of kind ``hung``, with ``"limit_s"``, is left by the client that
ended it); ``ready.json`` says that it did.  The file ``loading`` is there while it loads: where it
is and nobody has the lock, the process ended meanwhile.  A scorer that loads for itself leaves the
same verdict, unless another of this sidecar has loaded, and clients read it before they call.
"""

import json
import select
import socket
import struct
import time
from typing import Any, Callable, Dict, Optional, Tuple, Union

VERSION = 1

SOCKET_NAME = "scorer.sock"
VERDICT_NAME = "verdict.json"
READY_NAME = "ready.json"
LOADING_NAME = "loading"
EXITS_NAME = "exits"
SLOTS_NAME = "slots"

HELLO = b"H"
DESCRIBE = b"D"
BATCH = b"B"
FINISH = b"F"
CANCEL = b"C"

QUEUED = b"q"
READY = b"r"
DESCRIPTION = b"d"
RESULT = b"b"
FAILURE = b"f"
RETIRED = b"t"
DONE = b"e"
ERROR = b"x"

CONTRIBUTIONS = (None, "transformed", "original")
# Options that are BOOL, and options that are INT|null.
FLAGS = ("margin", "fast_approx", "apply_data_recipes")
LIMITS = ("max_scorers", "max_batches", "max_memory_bytes")
OPTIONS = ("contributions", *FLAGS, *LIMITS)
DESCRIPTION_FIELDS = (
    "columns",
    "output",
    "labels",
    "signatures",
    "load_s",
    "memory_bytes",
    "versions",
    "start_method",
    "depends_on_batch",
    "path_columns",
)
ERROR_FIELDS = ("kind", "type", "message", "traceback")
TOTALS = ("n_rows", "n_batches", "scoring_s", "peak_memory_bytes")

_JSON_KINDS = frozenset(
    [HELLO, DESCRIBE, QUEUED, READY, DESCRIPTION, FAILURE, RETIRED, DONE, ERROR]
)
_EMPTY_KINDS = frozenset([FINISH, CANCEL])
_ARROW_KINDS = frozenset([BATCH, RESULT])

# A longer JSON text or batch is taken for a broken stream and not waited for.
_JSON_LIMIT_BYTES = 64 << 20
_ARROW_LIMIT_BYTES = 1 << 40

_HEADER = struct.Struct("<cQ")
_SMALL_BYTES = 1 << 16
# How often who waits looks whether the other side is there.
_LOOK_S = 0.1


class BrokenProtocol(Exception):
    """The other side broke the rules at the top of this file."""


class Closed(Exception):
    """The other side closed the connection."""


class TimedOut(Exception):
    """The deadline passed before the whole frame had come or gone."""


def send(
    sock: socket.socket,
    kind: bytes,
    payload: Any = b"",
    deadline: Optional[float] = None,
    is_there: Optional[Callable[[], bool]] = None,
) -> None:
    """Send one frame.

    Parameters
    ----------
    sock : socket.socket
        Non-blocking where there is a deadline, else blocking.
    kind : bytes
        One of the constants of this file.
    payload : dict or bytes-like
        A dict goes as JSON.
    deadline : float, optional
        Value of `time.monotonic` at which `TimedOut` is raised; None waits for ever, which only
        the sidecar's side does (its parent ends it when the client is gone).
    is_there : callable, optional
        Asked now and then while this waits, with a deadline: once it says no, the other side counts
        as `Closed`.  A process that somebody else has started may hold a copy of a dead one's
        socket, which hides the end of the stream.
    """
    if isinstance(payload, dict):
        payload = json.dumps(payload).encode("utf-8")
    view = memoryview(payload).cast("B")
    header = _HEADER.pack(kind, len(view))
    try:
        if len(view) <= _SMALL_BYTES:
            # In one write, which wakes the other side once.
            _send_all(sock, memoryview(header + view.tobytes()), deadline, is_there)
            return
        _send_all(sock, memoryview(header), deadline, is_there)
        _send_all(sock, view, deadline, is_there)
    except (BrokenPipeError, ConnectionResetError):
        raise Closed() from None


def _send_all(
    sock: socket.socket,
    view: memoryview,
    deadline: Optional[float],
    is_there: Optional[Callable[[], bool]],
) -> None:
    while len(view):
        _wait(sock, select.POLLOUT, deadline, is_there)
        try:
            view = view[sock.send(view) :]
        except BlockingIOError:
            continue


def receive(
    sock: socket.socket,
    deadline: Optional[float] = None,
    stall_s: Optional[float] = None,
    is_there: Optional[Callable[[], bool]] = None,
) -> Tuple[bytes, Union[Dict[str, Any], bytearray]]:
    """Receive one frame: its kind, and its payload as a dict (JSON) or a bytearray (Arrow, empty).

    Parameters
    ----------
    sock : socket.socket
    deadline : float, optional
        Limit of the whole frame, see `send`.
    stall_s : float, optional
        Without a deadline: what a frame may take once its first byte has come.  The next batch may
        be hours away (Spark computes it), but half a frame is a client that has lost its mind.
    is_there : callable, optional
        See `send`.

    Raises
    ------
    Closed
        The stream ended, between frames or within one.
    BrokenProtocol
        The kind is unknown, the length is out of its bounds, or the JSON is none.
    TimedOut
        See `send`.
    """
    first = _receive_exactly(sock, 1, deadline, is_there)
    if deadline is None and stall_s is not None:
        deadline = time.monotonic() + stall_s
    rest = _receive_exactly(sock, _HEADER.size - 1, deadline, is_there)
    kind, length = _HEADER.unpack(bytes(first + rest))
    if kind in _EMPTY_KINDS:
        limit = 0
    elif kind in _JSON_KINDS:
        limit = _JSON_LIMIT_BYTES
    elif kind in _ARROW_KINDS:
        limit = _ARROW_LIMIT_BYTES
    else:
        raise BrokenProtocol("unknown kind of message {!r}".format(kind))
    if length > limit:
        raise BrokenProtocol(
            "a message of kind {!r} claims {} bytes, at most {} are allowed".format(
                kind, length, limit
            )
        )
    content = _receive_exactly(sock, length, deadline, is_there)
    if kind in _JSON_KINDS:
        try:
            payload = json.loads(bytes(content).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise BrokenProtocol(
                "a message of kind {!r} is not JSON: {}".format(kind, error)
            ) from None
        if not isinstance(payload, dict):
            raise BrokenProtocol("a message of kind {!r} is not a JSON object".format(kind))
        return kind, payload
    return kind, content


# Memory grows with what has really come, so a false length costs nothing.
_STEP_BYTES = 64 << 20


def _receive_exactly(
    sock: socket.socket,
    length: int,
    deadline: Optional[float],
    is_there: Optional[Callable[[], bool]],
) -> bytearray:
    buffer = bytearray(min(length, _STEP_BYTES))
    filled = 0
    while filled < length:
        if filled == len(buffer):
            buffer.extend(bytes(min(length - filled, max(_STEP_BYTES, filled))))
        _wait(sock, select.POLLIN, deadline, is_there)
        # The view must be gone before the buffer may grow.
        with memoryview(buffer) as view:
            try:
                n_bytes = sock.recv_into(view[filled:])
            except BlockingIOError:
                continue
            except ConnectionResetError:
                raise Closed() from None
        if n_bytes == 0:
            raise Closed()
        filled += n_bytes
    return buffer


def _wait(
    sock: socket.socket,
    event: int,
    deadline: Optional[float],
    is_there: Optional[Callable[[], bool]],
) -> None:
    if deadline is None:
        return
    poller = select.poll()
    poller.register(sock, event)
    while True:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimedOut()
        look_s = remaining_s if is_there is None else min(remaining_s, _LOOK_S)
        if poller.poll(look_s * 1000):
            return
        # Asked before the last look: what it has sent before its end is still to be read.
        if is_there is not None and not is_there() and not poller.poll(0):
            raise Closed()
