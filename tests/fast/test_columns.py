"""What the pipeline is given for each type: the table of dai_spark.columns, row by row."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dai_spark.columns import (
    cast_batch,
    check_columns,
    lossy_columns,
)
from dai_spark.errors import ColumnError
from dai_spark.pipeline import PipelineColumn

NUMBER = {"x": PipelineColumn("x", "float32")}
TEXT = {"x": PipelineColumn("x", "object")}


def cast(values, kind, wanted):
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])
    return cast_batch(batch, wanted, "rows 0-1 of a test").column(0)


@pytest.mark.parametrize(
    ("values", "kind", "expected", "sent"),
    [
        ([1, None], pa.int64(), [1.0, None], pa.float64()),
        ([1, 2], pa.int8(), [1.0, 2.0], pa.float64()),
        ([True, None, False], pa.bool_(), [1.0, None, 0.0], pa.float64()),
        ([1.5, None], pa.float32(), [1.5, None], pa.float32()),
        ([0.1, None], pa.float64(), [0.1, None], pa.float64()),
        ([Decimal("1.25"), None], pa.decimal128(10, 2), [1.25, None], pa.float64()),
        ([None, None], pa.null(), [None, None], pa.float64()),
    ],
)
def test_numbers_are_sent_as_floats_whatever_their_nulls(values, kind, expected, sent):
    """A number column is a float with or without nulls, so that no row depends on another."""
    found = cast(values, kind, NUMBER)
    assert found.type == sent
    assert found.to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["", "NA", None], pa.string(), ["", "NA", None]),
        (["a", None], pa.large_string(), ["a", None]),
        ([12, None], pa.int32(), ["12", None]),
        ([dt.date(2020, 5, 8), None], pa.date32(), ["2020-05-08", None]),
        ([dt.datetime(2020, 5, 8, 17, 30)], pa.timestamp("us"), ["2020-05-08 17:30:00"]),
        (
            [dt.datetime(2020, 5, 8, 17, 30, tzinfo=dt.timezone.utc)],
            pa.timestamp("us", "Europe/Berlin"),
            ["2020-05-08 19:30:00"],
        ),
        ([None], pa.null(), [None]),
    ],
)
def test_texts_are_sent_as_strings(values, kind, expected):
    """Text, whole numbers, dates and local times reach the pipeline as text; '' is not null."""
    found = cast(values, kind, TEXT)
    assert found.type == pa.string()
    assert found.to_pylist() == expected


def test_dictionaries_are_decoded():
    """A pandas categorical reaches the pipeline as its values."""
    found = cast_batch(
        pa.RecordBatch.from_arrays([pa.array(["a", "b", "a"]).dictionary_encode()], names=["x"]),
        TEXT,
        "rows",
    ).column(0)
    assert found.to_pylist() == ["a", "b", "a"]


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_a_long_is_exact_or_refused(value):
    """No integer is rounded in silence on its way to a float."""
    try:
        found = cast([value], pa.int64(), NUMBER)
    except ColumnError as error:
        assert abs(value) > 2**53
        assert "Column x" in error.message
        return
    assert int(found[0].as_py()) == value


def test_a_fraction_of_a_second_is_refused_with_its_column():
    """A timestamp with a fraction has no text in the form that pipelines know."""
    with pytest.raises(ColumnError, match="Column x holds a value in rows 0-1"):
        cast([dt.datetime(2020, 5, 8, 17, 30, 0, 5)], pa.timestamp("us"), TEXT)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (pa.string(), NUMBER),
        (pa.date32(), NUMBER),
        (pa.timestamp("us"), NUMBER),
        (pa.binary(), NUMBER),
        (pa.list_(pa.int32()), NUMBER),
        ("interval day to second", NUMBER),
        (pa.float64(), TEXT),
        (pa.bool_(), TEXT),
        (pa.decimal128(10, 2), TEXT),
        (pa.struct([("a", pa.int32())]), TEXT),
        (pa.binary(), TEXT),
        ("variant", TEXT),
    ],
)
def test_a_type_without_a_place_is_refused(kind, wanted):
    """What cannot be given unchanged is refused by its type alone, with what to do."""
    with pytest.raises(ColumnError, match=r"x \(the pipeline wants .*cast it"):
        check_columns({"x": kind}, wanted, "Table t")


def test_every_offender_is_named_at_once():
    """One message names all missing and all uncastable columns, and near misses in case."""
    wanted = {n: PipelineColumn(n, "float32") for n in ("a", "b", "c", "d")}
    with pytest.raises(ColumnError) as caught:
        check_columns({"a": pa.string(), "B": pa.int64(), "d": pa.binary()}, wanted, "Table t")
    message = caught.value.message
    assert "Table t lacks b, c" in message
    assert "found B for b" in message
    assert "a (the pipeline wants a number" in message
    assert "d (the pipeline wants a number" in message


def test_columns_are_picked_by_name_in_the_pipelines_order():
    """Extra columns stay behind, and order does not matter."""
    wanted = {n: PipelineColumn(n, "float32") for n in ("b", "a")}
    batch = pa.RecordBatch.from_pydict({"a": [1.0], "z": ["no"], "b": [2.0]})
    found = cast_batch(batch, wanted, "rows")
    assert found.schema.names == ["b", "a"]
    assert found.to_pydict() == {"b": [2.0], "a": [1.0]}


def test_decimals_are_told_of():
    """Decimals that become floats are named, so that the user can be told once."""
    types = {"x": pa.decimal128(30, 10), "y": pa.float64()}
    wanted = {n: PipelineColumn(n, "float32") for n in ("x", "y")}
    assert lossy_columns(types, wanted) == ["x"]
