"""Peers that speak nonsense: random bytes, other versions and keys, messages that stop half-way."""

import contextlib
import json
import os
import socket
import struct
import threading

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from processes import wait_until
from scoring_calls import batches_of, describe
from scoring_calls import score as score_frame

from dai_spark.client.connection import Connection
from dai_spark.errors import DaiSparkError, ProtocolError
from dai_spark.host.file_lock import try_lock
from dai_spark.sidecar import protocol
from dai_spark.sidecar.log import END

LIMIT_S = 20
FUZZING = settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def frame(kind, payload=b""):
    """One frame of the protocol."""
    if isinstance(payload, (dict, list)):
        payload = json.dumps(payload).encode()
    return struct.pack("<cQ", kind, len(payload)) + payload


def spoilt(sound):
    """Bytes that begin as a sound message does: cut off, with one byte changed, or with more."""
    positions = st.integers(0, len(sound) - 1)
    return st.one_of(
        positions.map(lambda at: sound[:at]),
        st.tuples(positions, st.integers(1, 255)).map(
            lambda found: (
                sound[: found[0]] + bytes([sound[found[0]] ^ found[1]]) + sound[found[0] + 1 :]
            )
        ),
        st.binary(min_size=1, max_size=30).map(lambda more: sound + more),
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
kinds = st.binary(min_size=1, max_size=1) | st.sampled_from(
    [b"H", b"D", b"B", b"F", b"C", b"q", b"r", b"d", b"b", b"f", b"t", b"e", b"x"]
)
texts = values.map(lambda value: json.dumps(value).encode())
frames = st.builds(frame, kinds, st.binary(max_size=40) | texts)
garbage = st.binary(max_size=60) | st.lists(frames, max_size=3).map(b"".join)
DEEP = b"[" * 200_000


# -- a real sidecar ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sidecar(plan, shared_executor):
    """A warm sidecar: a function that says something to it and gives all that it answers."""
    made = describe(plan(), shared_executor)
    (ready,) = shared_executor.folder.glob("*/ready.json")

    def scorers():
        return list(ready.parent.glob("scorer-[0-9]*"))

    def say(*pieces, close_at_once=False):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(LIMIT_S)
            folder = os.open(ready.parent, os.O_RDONLY | os.O_DIRECTORY)
            sock.connect(f"/proc/self/fd/{folder}/scorer.sock")
            os.close(folder)
            answer = b""
            # Reset: the scorer answered and left before it had read all of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    sock.sendall(piece)
                if close_at_once:
                    assert wait_until(scorers, LIMIT_S)
                    return answer
                sock.shutdown(socket.SHUT_WR)
                while True:
                    some = sock.recv(1 << 16)
                    if not some:
                        break
                    answer += some
            return answer

    key = made.key(made.license)
    say.plan = made
    say.hello = {"protocol": protocol.VERSION, "key": key, "options": {}, "task": "a test"}
    say.scorers = scorers
    say.pid = json.loads(ready.read_text())["pid"]
    return say


def test_after_any_garbage_the_next_client_scores(sidecar, shared_executor, flights):
    """Whatever a scorer is sent, it ends, and nobody else notices it."""
    executor = shared_executor
    before = score_frame(sidecar.plan, executor, flights.head(50))
    hello = frame(protocol.HELLO, sidecar.hello)
    (batch,) = batches_of(flights.head(5))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream = sink.getvalue().to_pybytes()

    @FUZZING
    @given(
        st.one_of(
            garbage,
            spoilt(hello),
            garbage.map(lambda found: hello + found),
            spoilt(stream).map(lambda found: hello + frame(protocol.BATCH, found)),
        )
    )
    @example(frame(protocol.HELLO, DEEP))
    @example(hello + frame(protocol.DESCRIBE, DEEP))
    @example(frame(protocol.HELLO, {**sidecar.hello, "options": [1]}))
    @example(frame(protocol.HELLO, {**sidecar.hello, "task": {"a": []}}))
    def send(found):
        # Its end is waited for, with a limit: a scorer that hung would fail here.
        sidecar(found)

    send()
    assert wait_until(lambda: sidecar.scorers() == [], LIMIT_S)
    pd.testing.assert_frame_equal(score_frame(sidecar.plan, executor, flights.head(50)), before)
    (ready,) = executor.folder.glob("*/ready.json")
    assert json.loads(ready.read_text())["pid"] == sidecar.pid


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": 2}, "the client speaks version 2 of the protocol, this sidecar 1"),
        ({"protocol": "1"}, "the client speaks version '1' of the protocol, this sidecar 1"),
        ({"key": "0" * 64}, "the client's key is not this sidecar's"),
        ({"key": None}, "the client's key is not this sidecar's"),
        ({"options": {"colour": 1}}, "unknown options"),
    ],
)
def test_who_speaks_another_version_or_names_another_key_is_told(sidecar, change, words):
    """The error object says which rule was broken, and nothing was scored or described."""
    answer = sidecar(frame(protocol.HELLO, {**sidecar.hello, **change}))
    kind, length = struct.unpack("<cQ", answer[:9])
    assert (kind, length) == (protocol.ERROR, len(answer) - 9)
    told = json.loads(answer[9:])
    assert told["kind"] == "protocol"
    assert words in told["message"]


def test_a_client_that_goes_in_mid_message_leaves_no_scorer(sidecar):
    """Half a greeting, half a batch, half a header: the scorer ends when the client closes."""
    hello = frame(protocol.HELLO, sidecar.hello)
    batch = frame(protocol.BATCH, b"x" * 1000)
    for said in (b"", hello[:5], hello[:50], hello + batch[:4], hello + batch[:500]):
        sidecar(said, close_at_once=True)
        assert wait_until(lambda: sidecar.scorers() == [], LIMIT_S)


# -- a real client -----------------------------------------------------------------------------


class NonsenseSidecar:
    """Stands where a plan's sidecar would, and answers each message with the next of `answers`."""

    def __init__(self, plan, executor):
        key = plan.key(plan.license)[:20]
        self.answers = []
        self._run_folder = executor.folder / key
        self._run_folder.mkdir(mode=0o700)
        self._lock = try_lock(executor.folder / f"{key}.lock")
        (executor.folder / f"dai_spark-sidecar-{key}.log").write_text(END)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(self._run_folder, os.O_RDONLY | os.O_DIRECTORY)
        self._listener.bind(f"/proc/self/fd/{folder}/{protocol.SOCKET_NAME}")
        os.close(folder)
        self._listener.listen(8)
        (self._run_folder / protocol.READY_NAME).write_text("{}")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, protocol.Closed):
                for answer in list(self.answers):
                    protocol.receive(connection)
                    connection.sendall(answer)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.close(self._lock)


@pytest.fixture
def nonsense(plan, executor):
    """A plan whose sidecar is none."""
    made = plan(batch_timeout_s=LIMIT_S, start_timeout_s=LIMIT_S)
    fake = NonsenseSidecar(made, executor)
    fake.plan = made
    yield fake
    fake.close()


@contextlib.contextmanager
def errors_of_ours():
    """Only these may come, and such as Spark can carry."""
    try:
        yield
    except DaiSparkError as error:
        assert len(str(error).encode("utf-8")) < 200_000


READY = frame(
    protocol.READY,
    {
        "protocol": 1,
        "pid": 1,
        "sidecar_pid": 1,
        "start_method": "fork",
        "load_s": 0.1,
        "loaded": False,
    },
)
ERROR = {"kind": "scoring", "type": "A", "message": "b", "traceback": "c"}
# As a sidecar of ours sends none.
ODD_TEXTS = {"message": "\udcff\ud800", "traceback": 2_000_000 * "é", "type": "\ud800"}


def test_a_client_bears_any_greeting(nonsense, executor):
    """Whatever answers HELLO, the client raises one of our errors, soon, and nothing else."""

    @settings(FUZZING, max_examples=150)
    @given(garbage | spoilt(READY))
    @example(frame(protocol.READY, {}))
    @example(frame(protocol.READY, {"pid": 1e400, "start_method": "fork"}))
    @example(frame(protocol.READY, {"pid": "x"}))
    @example(frame(protocol.READY, DEEP))
    @example(frame(protocol.QUEUED, {}) * 3)
    @example(frame(protocol.ERROR, {}))
    @example(frame(protocol.ERROR, {"kind": "load"}))
    @example(frame(protocol.ERROR, {"kind": ["license"]}))
    @example(frame(protocol.ERROR, {**ERROR, **ODD_TEXTS}))
    @example(frame(protocol.ERROR, {**ERROR, **ODD_TEXTS, "kind": "protocol"}))
    @example(frame(protocol.ERROR, {**ERROR, **ODD_TEXTS, "kind": "load"}))
    @example(frame(protocol.ERROR, {**ERROR, **ODD_TEXTS, "kind": "option"}))
    def greet(found):
        nonsense.answers = [found]
        with errors_of_ours():
            Connection(nonsense.plan, executor).close()

    greet()
    nonsense.answers = [frame(protocol.READY, {})]
    with pytest.raises(ProtocolError, match="what is not of this protocol"):
        Connection(nonsense.plan, executor)


@pytest.mark.parametrize("question", ["describe", "batch", "finish"])
def test_a_client_bears_any_answer(nonsense, executor, flights, question):
    """Whatever answers a question, the client returns an answer or raises one of our errors."""
    (batch,) = batches_of(flights.head(5))

    def ask(connection):
        if question == "describe":
            return connection.describe()
        if question == "finish":
            return connection.finish()
        connection.send_batch(batch, 0)
        return connection.receive_batch("rows 0-4")

    kind = {"describe": protocol.DESCRIPTION, "batch": protocol.RESULT, "finish": protocol.DONE}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream = sink.getvalue().to_pybytes()

    @settings(FUZZING, max_examples=100)
    @given(garbage | spoilt(stream).map(lambda found: frame(protocol.RESULT, found)))
    @example(frame(kind[question], {}))
    @example(frame(kind[question], b"{}"))
    @example(frame(protocol.RESULT, b""))
    @example(frame(protocol.RESULT, stream[:200]))
    @example(frame(protocol.FAILURE, {}))
    @example(frame(protocol.FAILURE, {**ERROR, "traceback": 5}))
    @example(frame(protocol.FAILURE, {**ERROR, "message": None}))
    @example(frame(protocol.ERROR, {**ERROR, "traceback": 5}))
    @example(frame(protocol.ERROR, DEEP))
    @example(frame(protocol.ERROR, {**ERROR, **ODD_TEXTS}))
    @example(frame(protocol.FAILURE, {**ERROR, **ODD_TEXTS}))
    def answer(found):
        nonsense.answers = [READY, found]
        with errors_of_ours(), Connection(nonsense.plan, executor) as connection:
            ask(connection)

    answer()
    nonsense.answers = [READY, frame(protocol.READY, {})]
    with (
        Connection(nonsense.plan, executor) as connection,
        pytest.raises(ProtocolError, match="out of turn"),
    ):
        ask(connection)
