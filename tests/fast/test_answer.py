"""Odd answers of a pipeline: put in order by their index, converted exactly, or refused."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dai_spark.sidecar.pipeline.answer import answer_frame, column_names
from dai_spark.sidecar.pipeline.answer_columns import arrow_array

SCORES = [0.5, 1.5, 2.5]
NAN = float("nan")


def frame_of(index=None):
    return pd.DataFrame({"y": SCORES}, index=index)


def taken(answer, given=None):
    """The first column of an answer to three rows, in the order in which it is taken."""
    given = pd.DataFrame({"x": [1, 2, 3]}) if given is None else given
    return answer_frame(answer, given, 3).iloc[:, 0].tolist()


@pytest.mark.parametrize(
    "index",
    [
        [2, 0, 1],
        [2.0, 0.0, 1.0],
        np.array([2, 0, 1], dtype="uint8"),
        pd.Index([2, 0, 1], dtype=object),
        pd.CategoricalIndex([2, 0, 1]),
    ],
)
def test_an_answer_is_taken_by_its_index(index):
    """Numbers 0..n-1 in another order, however they are written, say which row is which."""
    assert taken(frame_of(index)) == [1.5, 2.5, 0.5]
    assert taken(frame_of(index)["y"]) == [1.5, 2.5, 0.5]
    assert taken({"y": frame_of(index)["y"]}) == [1.5, 2.5, 0.5]


def test_an_answer_turned_round_is_turned_back():
    """As is one that a pipeline sorted by its scores."""
    assert taken(frame_of().iloc[::-1]) == SCORES
    assert taken(frame_of().sort_values("y", ascending=False)) == SCORES
    assert taken(frame_of().sample(frac=1, random_state=1)) == SCORES


@pytest.mark.parametrize(
    "answer",
    [
        SCORES,
        tuple(SCORES),
        [[score] for score in SCORES],
        np.array(SCORES),
        np.array([SCORES]).T,
        np.ma.masked_array(SCORES),
        pd.Series(SCORES),
        {"y": SCORES},
        [{"y": score} for score in SCORES],
        np.array([(score,) for score in SCORES], dtype=[("y", "f8")]),
        pa.table({"y": SCORES}),
        frame_of(),
        frame_of(pd.RangeIndex(3)),
        frame_of([0.0, 1.0, 2.0]),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_what_has_no_index_is_in_its_own_order(answer):
    """Any table, array or list."""
    assert taken(answer) == SCORES


@pytest.mark.parametrize(
    "index",
    [
        [0, 0, 1],
        [1, 2, 3],
        [0, 1, -1],
        [0, 1, NAN],
        [0.0, 1.0, 1.5],
        ["0", "1", "2"],
        [False, True, 2],
        pd.MultiIndex.from_arrays([[0, 1, 2]]),
        pd.MultiIndex.from_arrays([[0, 1, 2], [0, 1, 2]]),
        pd.date_range("2020-01-01", periods=3),
        pd.TimedeltaIndex(np.arange(3, dtype="m8[ns]")),
        ["é" * 1000, None, "c"],
    ],
    ids=str,
)
def test_an_index_that_tells_no_rows_apart_is_refused(index):
    """Neither 0..n-1 nor a permutation of it: nobody knows which row is which."""
    with pytest.raises(ValueError, match="does not tell which row is which"):
        taken(frame_of(index))


@given(st.data())
def test_any_permutation_is_put_in_order_and_nothing_else_is_taken(data):
    """Whatever type its numbers have: int64, float64, objects, or a category."""
    n_rows = data.draw(st.integers(1, 8))
    some = st.lists(st.integers(-1, n_rows), min_size=n_rows, max_size=n_rows)
    index = data.draw(st.permutations(range(n_rows)) | some)
    write = data.draw(st.sampled_from(["int64", "float64", "object", "category", "Int64"]))
    answer = pd.DataFrame({"y": [float(i) for i in index]}, index=pd.Index(index).astype(write))
    given_rows = pd.DataFrame({"x": range(n_rows)})
    if sorted(index) == list(range(n_rows)):
        assert answer_frame(answer, given_rows, n_rows)["y"].tolist() == list(range(n_rows))
    else:
        with pytest.raises(ValueError, match="does not tell which row is which"):
            answer_frame(answer, given_rows, n_rows)


def test_a_single_row_has_index_0():
    """As every batch of one row has, of the probe and of a search for bad rows."""
    one = pd.DataFrame({"x": [1]})
    assert answer_frame(pd.DataFrame({"y": [0.5]}), one, 1)["y"].tolist() == [0.5]
    with pytest.raises(ValueError, match="it is 7, and the rows had 0 to 0"):
        answer_frame(pd.DataFrame({"y": [0.5]}, index=[7]), one, 1)


def test_who_sorts_what_it_is_given_must_say_so_in_its_index():
    """The answer may be in the order of before or of after; with an index it is known."""
    given = pd.DataFrame({"x": [1, 2, 3]}).iloc[::-1]
    with pytest.raises(ValueError, match="changed the order of the rows that it was given"):
        taken(np.array(SCORES), given)
    assert taken(frame_of([2, 1, 0]), given) == SCORES[::-1]
    # Another index says nothing about an order.
    assert taken(np.array(SCORES), given.set_index("x")) == SCORES


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "answered None, which is no table"),
        (0.5, "a value of type float"),
        (np.float32(0.5), "a value of type float32"),
        ("abc", "a value of type str"),
        (b"abc", "a value of type bytes"),
        ({1.0, 2.0, 3.0}, "a value of type set"),
        (iter(SCORES), "a value of type list_iterator"),
        (SCORES[:2], "answered 2 rows for 3"),
        (frame_of()[[]], "answered no columns"),
        (pd.DataFrame(index=range(3)), "answered no columns"),
        (pd.DataFrame([[1, 2]] * 3, columns=["y", "y"]), "columns of one name: y"),
        (pd.DataFrame([[1, 2]] * 3, columns=["1", 1]), "columns of one name: 1"),
        (pd.DataFrame({"\udcff": SCORES}), "not valid Unicode"),
        (pd.DataFrame({"y" * 20_000: SCORES}), "whose name has 20000 bytes"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(answer, words):
    """The rows of a set have no order, and a scalar is no row."""
    with pytest.raises((TypeError, ValueError), match=words):
        taken(answer)


def test_names_that_are_no_texts_are_written_as_such():
    """A list's columns are numbers."""
    assert column_names([0, ("a", 1), None, 1.5], "has") == ["0", "('a', 1)", "None", "1.5"]
    with pytest.raises(TypeError, match="a text in place of a list"):
        column_names("abc", "has")


# -- columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (np.array([0.1, NAN], dtype="float16"), "float", [float(np.float16(0.1)), NAN]),
        (np.array([0.1], dtype=">f4"), "float", [float(np.float32(0.1))]),
        (np.array([0.1, 1e300]), "double", [0.1, 1e300]),
        (np.array([1, 255], dtype="uint8"), "int32", [1, 255]),
        (np.array([-1, 127], dtype="int8"), "int32", [-1, 127]),
        (np.array([65535], dtype="uint16"), "int32", [65535]),
        (np.array([2**32 - 1], dtype="uint32"), "int64", [2**32 - 1]),
        (np.array([2**63 - 1], dtype="uint64"), "int64", [2**63 - 1]),
        (np.array([True, False]), "bool", [True, False]),
        (pd.array([2**53 + 1, None], dtype="Int64"), "int64", [2**53 + 1, None]),
        (pd.array([1, None], dtype="UInt8"), "int32", [1, None]),
        (pd.array([True, None], dtype="boolean"), "bool", [True, None]),
        (pd.array([0.5, None], dtype="Float32"), "float", [0.5, NAN]),
        (pd.array(["a", None], dtype="string"), "string", ["a", None]),
        (pd.arrays.SparseArray([0.0, 1.5, NAN]), "double", [0.0, 1.5, NAN]),
        (pd.Categorical(["b", None, "a"]), "string", ["b", None, "a"]),
        (pd.Categorical([2**53 + 1, None]), "int64", [2**53 + 1, None]),
        (pd.Categorical([None, None]), "string", [None, None]),
        (["a", None, NAN, ""], "string", ["a", None, None, ""]),
        ([1, 2**53 + 1, None], "int64", [1, 2**53 + 1, None]),
        ([np.float32(0.5), 1, None], "double", [0.5, 1.0, NAN]),
        ([True, np.bool_(False), None], "bool", [True, False, None]),
        ([None, None], "string", [None, None]),
    ],
)
def test_a_column_keeps_its_values(values, kind, expected):
    """Whatever the type, value for value."""
    made = pd.Series(values, dtype="object" if isinstance(values, list) else None)
    found = arrow_array("y", made)
    assert str(found.type) == kind
    assert str(found.to_pylist()) == str(expected)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([1 + 2j]), "with type complex128, which has no place"),
        (np.array([0.5], dtype="longdouble"), "which has no place"),
        (np.array([0, 2**63], dtype="uint64"), "row 1 with 9223372036854775808, which is no int64"),
        (pd.date_range("2020-01-01", periods=1), "with type datetime64"),
        (pd.date_range("2020-01-01", periods=1, tz="UTC"), "with type datetime64"),
        (pd.period_range("2020", periods=1, freq="M"), "with type period"),
        (pd.Categorical(pd.date_range("2020-01-01", periods=1)), "with type datetime64"),
        (["a", 0.5], "several types: text in row 0, float in row 1"),
        ([None, True, 1], "several types: bool in row 1, integer in row 2"),
        ([0.5, 2**53 + 1], "row 1 with an integer among floats"),
        ([2**63], "row 0 with an integer that is no int64"),
        ([Decimal("0.1")], "row 0 with a value of type Decimal"),
        ([[0.1, 0.2]], "row 0 with a value of type list"),
        ([None, {"a": 1}], "row 1 with a value of type dict"),
        ([b"a"], "row 0 with a value of type bytes"),
        ([1j], "row 0 with a value of type complex"),
        (["a\ud800"], "row 0 with a text that is not valid Unicode"),
    ],
)
def test_what_has_no_place_in_a_table_is_refused_by_column_and_row(values, words):
    """The error names the column, and the first row of an odd value."""
    made = pd.Series(values, dtype="object" if isinstance(values, list) else None)
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        arrow_array("y", made)
    assert "column 'y'" in str(caught.value)
