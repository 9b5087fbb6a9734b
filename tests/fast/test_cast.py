"""What the pipeline is given for each type: `dai_spark.schema.columns`, value by value."""

import datetime as dt
import math
import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError
from dai_spark.schema.cast import cast_batch
from dai_spark.schema.text_numbers import MISSING_WORDS
from dai_spark.testing.scoring_package import columns as standin_columns

NUMBER = {"x": PipelineColumn("x", "float32")}
TEXT = {"x": PipelineColumn("x", "object")}


def cast_counted(values, kind, wanted, on_cast):
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])
    found = cast_batch(batch, wanted, "rows 0-1 of a test", on_cast)
    return found.batch.column(0), found.n_misfits


def cast(values, kind, wanted):
    found, n_misfits = cast_counted(values, kind, wanted, "error")
    assert n_misfits == 0
    return found


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
    ).batch.column(0)
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
    with pytest.raises(ColumnError, match="Column x holds 2020-05-08 17:30:00.000005, .* in rows"):
        cast([dt.datetime(2020, 5, 8, 17, 30, 0, 5)], pa.timestamp("us"), TEXT)


def test_columns_are_picked_by_name_in_the_pipelines_order():
    """Extra columns stay behind, and order does not matter."""
    wanted = {n: PipelineColumn(n, "float32") for n in ("b", "a")}
    batch = pa.RecordBatch.from_pydict({"a": [1.0], "z": ["no"], "b": [2.0]})
    found = cast_batch(batch, wanted, "rows").batch
    assert found.schema.names == ["b", "a"]
    assert found.to_pydict() == {"b": [2.0], "a": [1.0]}


DECIMALS = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=18)


@given(DECIMALS | DECIMALS.map(lambda d: round(d, 4).quantize(Decimal(10) ** -18)))
def test_a_decimal_reads_back_or_is_refused(value):
    """No digit is lost in silence, and none is called lost that a float gives back."""
    kind = pa.decimal128(38, 18)
    given_back = Decimal(repr(float(value))) == value
    try:
        found = cast([value], kind, NUMBER)
    except ColumnError as error:
        assert not given_back
        assert (
            f"Column x holds {value:f}" in error.message.replace("E-", "")
            or "x holds" in error.message
        )
        return
    assert given_back
    assert found[0].as_py() == float(value)


MISFITS = [
    ([2**53, 2**53 + 1, None], pa.int64(), NUMBER, [2.0**53, 2.0**53, None], 1),
    ([-(2**63), 5], pa.int64(), NUMBER, [-(2.0**63), 5.0], 0),
    ([2**64 - 1], pa.uint64(), NUMBER, [2.0**64], 0),
    (
        [Decimal("0.1"), Decimal("1.2345678901234567890")],
        pa.decimal128(38, 19),
        NUMBER,
        [0.1, 1.2345678901234567],
        1,
    ),
    (
        ["1.5", " 2 ", "NA", "", None, "x", "1_000", "1e400"],
        pa.string(),
        NUMBER,
        [1.5, 2.0, None, None, None, None, None, None],
        5,
    ),
    (
        [dt.datetime(2020, 5, 8, 17, 30, 0, 5), None],
        pa.timestamp("us"),
        TEXT,
        ["2020-05-08 17:30:00", None],
        0,
    ),
    ([dt.datetime(1960, 5, 8, 17, 30, 0, 5)], pa.timestamp("us"), TEXT, ["1960-05-08 17:30:00"], 0),
]


@pytest.mark.parametrize(("values", "kind", "wanted", "nearest", "place"), MISFITS)
def test_what_does_not_fit_is_rounded_or_missing_and_counted(values, kind, wanted, nearest, place):
    """By on_cast, and never without being counted; what fits is as it was."""
    found, n_misfits = cast_counted(values, kind, wanted, "warn")
    assert found.to_pylist() == nearest
    assert n_misfits > 0
    nulled, n_nulled = cast_counted(values, kind, wanted, "null")
    assert n_nulled == n_misfits
    assert nulled[place].as_py() is None
    assert nulled.null_count <= found.null_count + n_nulled
    if wanted is TEXT or not pa.types.is_string(kind):
        words = r"Column x holds .* unchanged as .*, in rows 0-1 of a test; .* on_cast='warn'"
        with pytest.raises(ColumnError, match=words):
            cast(values, kind, wanted)


def number_of(text):
    """What the types page says a text is read as, by Python's own reading of numbers."""
    text = text.strip()
    if text in MISSING_WORDS or not re.fullmatch(NUMBER_TEXT, text, re.ASCII):
        return None
    return float(text) if math.isfinite(float(text)) else None


NUMBER_TEXT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


TEXTS_OF_NUMBERS = st.lists(
    st.floats().map(repr)
    | st.integers().map(str)
    | st.from_regex(re.compile(NUMBER_TEXT, re.ASCII), fullmatch=True)
    | st.text(alphabet="+-.eE0123456789 _\nxX", max_size=12)
    | st.sampled_from([*MISSING_WORDS, "1_000", "Infinity", "\u0661", "1.5\n", "+-1", "0x10"]),
    min_size=1,
)


@pytest.mark.parametrize("n_examples", [60, pytest.param(3000, marks=pytest.mark.long)])
def test_numbers_in_texts_are_read_as_python_reads_them(n_examples):
    """Whole columns at once, bit for bit; one that is too large makes the others no different."""

    @settings(max_examples=n_examples, deadline=None)
    @given(TEXTS_OF_NUMBERS)
    @example(["1", "1e400", "-1e400", "5e-400", "0." + "0" * 400 + "1", "9" * 400])
    @example(["+1.", "-.5", " 7 ", "1\n2", "1 2"])
    def read(texts):
        found, n_misfits = cast_counted(texts, pa.string(), NUMBER, "warn")
        expected = [number_of(text) for text in texts]
        assert list(map(repr, found.to_pylist())) == list(map(repr, expected))
        n_missing = sum(text.strip() in MISSING_WORDS for text in texts)
        assert n_misfits == expected.count(None) - n_missing

    read()


def test_missing_words_are_driverless_ais():
    """The list that the pipelines themselves have."""
    assert set(MISSING_WORDS) == standin_columns.MISSING_WORDS
