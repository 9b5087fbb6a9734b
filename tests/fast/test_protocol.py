"""The frames on the socket, read and written by the one file that both sides have."""

import dataclasses
import json
import socket
import struct
import threading
import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description
from dai_spark.schema import prediction, text_numbers
from dai_spark.sidecar import protocol
from dai_spark.sidecar.pipeline import answer_columns
from dai_spark.testing.scoring_package import columns


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans()))
def test_a_json_message_arrives_as_it_was_sent(message):
    """Whatever object goes in comes out, under its kind."""
    left, right = socket.socketpair()
    with left, right:
        protocol.send(left, protocol.HELLO, message)
        assert protocol.receive(right) == (protocol.HELLO, message)


@given(st.binary(max_size=2000))
def test_a_batch_arrives_as_it_was_sent(payload):
    """Bytes of a batch are not touched."""
    left, right = socket.socketpair()
    with left, right:
        protocol.send(left, protocol.BATCH, payload)
        kind, received = protocol.receive(right)
    assert (kind, bytes(received)) == (protocol.BATCH, payload)


def test_a_batch_larger_than_any_socket_buffer_arrives(pair):
    """200 MB pass while both sides work, in steps of their own."""
    left, right = pair
    left.setblocking(False)
    payload = bytes(range(256)) * (200 * 4096)
    deadline = time.monotonic() + 60
    sender = threading.Thread(target=protocol.send, args=(left, protocol.BATCH, payload, deadline))
    sender.start()
    kind, received = protocol.receive(right)
    sender.join()
    assert kind == protocol.BATCH
    assert received == payload


def test_half_a_frame_is_waited_for_no_longer_than_a_stall_may_last(pair):
    """The first byte may be long in coming, the rest of its frame may not."""
    left, right = pair
    timer = threading.Timer(0.3, left.sendall, [b"H\0\0"])
    timer.start()
    begun = time.monotonic()
    with pytest.raises(protocol.TimedOut):
        protocol.receive(right, stall_s=0.1)
    assert time.monotonic() - begun > 0.35


@given(st.binary(min_size=1, max_size=200))
def test_random_bytes_never_hang_and_never_pass_for_an_unknown_message(data):
    """Any bytes, then the end: a message of a known kind, BrokenProtocol, or Closed."""
    left, right = socket.socketpair()
    with left, right:
        left.sendall(data)
        left.close()
        try:
            kind, payload = protocol.receive(right, time.monotonic() + 5)
        except (protocol.BrokenProtocol, protocol.Closed):
            return
        length = struct.unpack("<Q", data[1:9])[0]
        assert kind == data[:1]
        assert len(data) >= 9 + length
        assert isinstance(payload, (dict, bytearray))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (struct.pack("<cQ", b"?", 0), "unknown kind"),
        (struct.pack("<cQ", protocol.HELLO, 1 << 40), "at most"),
        (struct.pack("<cQ", protocol.FINISH, 1), "at most 0"),
        (struct.pack("<cQ", protocol.HELLO, 2) + b"[]", "not a JSON object"),
        (struct.pack("<cQ", protocol.HELLO, 2) + b"{]", "not JSON"),
        (struct.pack("<cQ", protocol.HELLO, 1) + b"\xff", "not JSON"),
        (struct.pack("<cQ", protocol.HELLO, 50_000) + b"[" * 50_000, "not JSON"),
    ],
)
def test_a_broken_frame_is_named(pair, header, words):
    """What is wrong with a frame is said, before anything is waited for."""
    left, right = pair
    left.sendall(header)
    with pytest.raises(protocol.BrokenProtocol, match=words):
        protocol.receive(right, time.monotonic() + 5)


@given(
    st.sampled_from([protocol.HELLO, protocol.BATCH, protocol.FAILURE, protocol.FINISH]),
    st.dictionaries(st.text(), st.text()),
    st.integers(0, 200),
    st.integers(1, 255),
)
def test_a_spoilt_message_is_a_message_or_a_broken_one(kind, message, at, change):
    """One byte of a sound message changed, the sender still there: nothing else is raised."""
    payload = b"" if kind == protocol.FINISH else json.dumps(message).encode()
    sent = bytearray(struct.pack("<cQ", kind, len(payload)) + payload)
    sent[at % len(sent)] ^= change
    left, right = socket.socketpair()
    with left, right:
        left.sendall(sent)
        try:
            protocol.receive(right, time.monotonic() + 0.01)
        except (protocol.BrokenProtocol, protocol.TimedOut):
            return
        # Not more than there is was taken for a message.
        assert struct.unpack("<Q", sent[1:9])[0] <= len(sent) - 9


def test_a_false_length_costs_no_memory(pair):
    """A header that claims a terabyte and a closed stream end at once."""
    left, right = pair
    left.sendall(struct.pack("<cQ", protocol.BATCH, 1 << 39))
    left.close()
    begun = time.monotonic()
    with pytest.raises(protocol.Closed):
        protocol.receive(right, time.monotonic() + 5)
    assert time.monotonic() - begun < 5


def test_no_answer_within_the_deadline_is_timed_out(pair):
    """A peer that stops in mid-message is not waited for beyond the deadline."""
    left, right = pair
    left.sendall(struct.pack("<cQ", protocol.HELLO, 100) + json.dumps({}).encode())
    with pytest.raises(protocol.TimedOut):
        protocol.receive(right, time.monotonic() + 0.2)


def test_a_peer_that_does_not_read_is_timed_out(pair):
    """Sending has a limit as well."""
    left, _ = pair
    left.setblocking(False)
    with pytest.raises(protocol.TimedOut):
        protocol.send(left, protocol.BATCH, b"x" * (50 << 20), time.monotonic() + 0.2)


def section(title):
    """The names that a list of the protocol's text explains, in their order."""
    text = protocol.__doc__.partition(f"\n{title}")[2].partition("::\n\n")[2].partition("\n\n")[0]
    return tuple(line.split()[0] for line in text.splitlines() if line[4:5].strip())


def test_the_text_explains_every_option_and_field():
    """Another client can be written from the text: it lists what both sides really demand."""
    assert set(section("OPTIONS")) == set(protocol.OPTIONS)
    assert section("DESCRIPTION::"[:-2]) == protocol.DESCRIPTION_FIELDS
    for name in (*protocol.ERROR_FIELDS, *protocol.TOTALS):
        assert f'"{name}"' in protocol.__doc__
    for name in (protocol.SOCKET_NAME, protocol.VERDICT_NAME, protocol.READY_NAME):
        assert f"``{name}``" in protocol.__doc__
    assert f"``{protocol.EXITS_NAME}/" in protocol.__doc__


def test_a_client_sends_the_options_that_there_are():
    """What travels in HELLO and comes in DESCRIPTION has the same names on both sides."""
    assert set(ScoringOptions().for_connection()) == set(protocol.OPTIONS)
    fields = {field.name for field in dataclasses.fields(Description)}
    assert fields == set(protocol.DESCRIPTION_FIELDS)


def test_both_sides_know_the_same_types_of_answers():
    """A type that the sidecar names is one that the client can read, and the other way round."""
    kinds = [kind for kind, _ in answer_columns._ARROW_TYPES.values()] + [pa.string()]
    assert {str(kind): kind for kind in kinds} == prediction._ANSWER_TYPES


def test_stand_ins_read_missing_values_as_the_casts_do():
    """The list of words that stand for nothing is needed on both sides of the process."""
    assert set(text_numbers.MISSING_WORDS) == set(columns.MISSING_WORDS)
