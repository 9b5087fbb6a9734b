"""Hashes of keys as tasks make, cut and compare them."""

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dai_spark.client.key_check import hash_pieces
from dai_spark.client.key_check.hash_pieces import HashPieces, has_equal
from dai_spark.client.key_check.key_hash import key_hashes

_COLUMNS = {
    "int": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "small": (st.integers(-3, 3), pa.int8()),
    "text": (st.text(max_size=3), pa.string()),
    "large": (st.text(max_size=3), pa.large_string()),
    "bytes": (st.binary(max_size=3), pa.binary()),
    "bool": (st.booleans(), pa.bool_()),
    "day": (st.dates(), pa.date32()),
    "time": (
        st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)),
        pa.timestamp("us", tz="UTC"),
    ),
    "money": (st.decimals(-99, 99, places=2), pa.decimal128(9, 2)),
    "double": (st.floats(allow_nan=True), pa.float64()),
    "float": (st.floats(allow_nan=True, width=32), pa.float32()),
}


def _equal_to_spark(value):
    if isinstance(value, float):
        return "NaN" if np.isnan(value) else value + 0.0
    return value


@given(st.data())
def test_equal_keys_have_equal_hashes_and_others_have_others(data):
    """Of one column or of two, of each type; a null has none."""
    names = data.draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=2))
    drawn = [st.none() | _COLUMNS[name][0] for name in names]
    rows = data.draw(st.lists(st.tuples(*drawn), min_size=1, max_size=30))
    arrays = [pa.array([row[i] for row in rows], _COLUMNS[n][1]) for i, n in enumerate(names)]
    hashes = key_hashes(pa.RecordBatch.from_arrays(arrays, [f"c{i}" for i in range(len(names))]))
    by_key, by_hash = {}, {}
    for row, found in zip(rows, hashes.to_pylist()):
        if None in row:
            assert found is None
            continue
        key = tuple(map(_equal_to_spark, row))
        assert by_key.setdefault(key, found) == found
        assert by_hash.setdefault(found, key) == key


def test_the_order_of_a_keys_parts_counts():
    """A row (1, 2) is another one than (2, 1)."""
    both = pa.RecordBatch.from_arrays([pa.array([1, 2]), pa.array([2, 1])], ["a", "b"])
    first, second = key_hashes(both).to_pylist()
    assert first != second


def test_text_that_is_no_utf8_has_a_hash():
    """Spark compares its bytes."""
    bytes_ = pa.array([b"\xff\xfe", b"a", b"\xff"])
    text = pa.StringArray.from_buffers(3, *bytes_.buffers()[1:])
    assert len(set(key_hashes(pa.RecordBatch.from_arrays([text], ["x"])).to_pylist())) == 3


def test_a_slice_has_the_hashes_of_its_rows():
    """Batches are parts of larger ones."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array([Decimal("1.50"), None, Decimal("2.50")]), pa.array([True, True, False])],
        ["a", "b"],
    )
    assert key_hashes(batch.slice(1)).to_pylist() == key_hashes(batch).to_pylist()[1:]


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_pieces_hold_every_hash_once(monkeypatch, most):
    """However often a task gives back what it holds; each piece in the bucket of its hashes."""
    monkeypatch.setattr(hash_pieces, "_MOST_HASHES", most)
    rng = np.random.default_rng(5)
    ends = [-(2**63), 2**63 - 1, 0, -1]
    hashes = np.concatenate([rng.integers(-(2**63), 2**63 - 1, 500), ends])
    held = HashPieces()
    pieces = []
    for start in range(0, len(hashes), 50):
        pieces += held.add(pa.array(hashes[start : start + 50]))
    pieces += held.rest()
    assert list(held.rest()) == []
    found = []
    for bucket, piece in pieces:
        values = np.frombuffer(piece, np.int64)
        assert {(int(value) + 2**63) >> 56 for value in values} == {bucket}
        found += values.tolist()
    assert sorted(found) == sorted(hashes.tolist())
    assert has_equal([piece for _, piece in pieces]) == (len(hashes), False)


def test_equal_hashes_of_two_tasks_are_seen():
    """And rows without a hash are told as doubtful."""
    one, other = np.array([1, 2, 3], np.int64).tobytes(), np.array([4, 3], np.int64).tobytes()
    assert has_equal([one]) == (3, False)
    assert has_equal([one, other]) == (5, True)
    assert has_equal([one, None]) == (3, True)
    assert has_equal([]) == (0, False)


def test_rows_without_a_hash_are_counted_and_left_out():
    """Nulls are no value of a hash."""
    held = HashPieces()
    assert list(held.add(pa.array([5, None, None]))) == []
    ((_, piece),) = held.rest()
    assert np.frombuffer(piece, np.int64).tolist() == [5]
    assert held.n_null == 2
