"""Predictions made of answers: labels, maps, intervals; what a pipeline cannot give is refused."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dai_spark.errors import OptionError, ScoringError
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description
from dai_spark.schema.prediction import PredictionShape, answer_schema, check_answer

NAN = float("nan")
ODD = ("late, under 1 h.", "wo?", 'a "b"', "é 飛", "c.d")


def described(classes, *names, target="y"):
    output = tuple((name, "float") for name in names or [f"{target}.{one}" for one in classes])
    return Description(("x",), output, classes, {}, 1.0, 1, {}, "fork")


def shape(classes, *names, **options):
    return PredictionShape(described(classes, *names), ScoringOptions(**options))


def answer(made, *rows):
    columns = [pa.array(column, pa.float32()) for column in zip(*rows)]
    return pa.RecordBatch.from_arrays(columns, schema=made._answer)


def test_the_pipelines_own_answer_is_the_prediction():
    """Without options nothing is added, left out or renamed."""
    made = shape(ODD)
    given = answer(made, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert made.of_answer(given).equals(given)
    assert made.schema.names == [f"y.{label}" for label in ODD]


@pytest.mark.parametrize(
    ("threshold", "labels"),
    [
        (None, ["no", "yes", "yes", None]),
        (0.75, ["no", "no", "yes", None]),
        (0.0, ["yes", "yes", "yes", None]),
    ],
)
def test_of_two_classes_the_threshold_decides(threshold, labels):
    """The second label is the positive class, and at the threshold itself it is chosen."""
    made = shape(("no", "yes"), labels=True, threshold=threshold)
    found = made.of_answer(answer(made, [0.6, 0.4], [0.5, 0.5], [0.25, 0.75], [NAN, 0.9]))
    assert found.schema.names == ["y.no", "y.yes", "label"]
    assert found.column(2).to_pylist() == labels


def test_of_more_classes_the_most_probable_one_is_the_label():
    """Of equal ones the first; a row with NaN has none."""
    made = shape(ODD, labels=True)
    rows = [[0, 0, 0, 1, 0], [0.3, 0.3, 0.2, 0.1, 0.1], [NAN, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    found = made.of_answer(answer(made, *rows))
    assert found.column(5).to_pylist() == [ODD[3], ODD[0], None, ODD[4]]


def test_a_map_has_every_class():
    """Labels as they are, in the pipeline's order, floats as they were; the label beside it."""
    made = shape(ODD, probabilities="map", labels=True)
    given = answer(made, [0.1, 0.2, 0.3, 0.4, NAN], [1, 0, 0, 0, 0])
    found = made.of_answer(given)
    assert found.schema.names == ["probabilities", "label"]
    first, second = found.column(0).to_pylist()
    assert [label for label, _ in first] == list(ODD)
    exact = [column[0].as_py() for column in given.columns]
    assert [value for _, value in first][:4] == exact[:4]
    assert first[4][1] != first[4][1]
    assert dict(second) == dict(zip(ODD, [1.0, 0, 0, 0, 0]))
    assert made.of_answer(answer(made, *[[0] * 5] * 3)[:0]).num_rows == 0
    assert made.nulls(2).column(0).null_count == 2


def test_intervals_are_left_out_or_demanded():
    """A regression's own name stays; limits that are not there are refused."""
    names = ("y", "y.lower", "y.upper")
    assert shape(None, *names).schema.names == list(names)
    assert shape(None, *names, intervals=True).schema.names == list(names)
    made = shape(None, *names, intervals=False)
    assert made.schema.names == ["y"]
    assert made.of_answer(answer(made, [1.5, 1, 2])).to_pydict() == {"y": [1.5]}
    with pytest.raises(OptionError, match="wants prediction intervals, .* answers y;"):
        shape(None, "y", intervals=True)
    with pytest.raises(OptionError, match="wants prediction intervals"):
        shape(("a", "b"), intervals=True)


@pytest.mark.parametrize(
    ("classes", "options", "words"),
    [
        (None, {"labels": True}, "labels=True wants class probabilities, .* answers y;"),
        (None, {"probabilities": "map"}, "probabilities='map' wants class probabilities"),
        (ODD, {"labels": True, "threshold": 0.5}, "is for two classes, and this pipeline has 5"),
    ],
)
def test_what_an_answer_does_not_have_is_refused(classes, options, words):
    """By the description, so before a row is scored."""
    with pytest.raises(OptionError, match=words):
        shape(classes, *(() if classes else ("y",)), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin": True, "contributions": True}, "margin and contributions exclude each other"),
        ({"margin": True, "labels": True}, "labels is made of predictions, and margin"),
        ({"contributions": "original", "probabilities": "map"}, "map' is made of predictions"),
        ({"contributions": True, "intervals": True}, "intervals is made of predictions"),
        ({"contributions": "shap"}, "contributions='shap' is neither"),
        ({"probabilities": "list"}, "probabilities='list' is neither"),
        ({"fast_approx": True}, "give contributions too"),
        ({"threshold": 0.5}, "give labels=True too"),
        ({"labels": True, "threshold": 1.5}, "threshold=1.5 must be a number from 0 to 1"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options, words):
    """By the options alone, so before anything starts."""
    with pytest.raises(OptionError, match=words):
        ScoringOptions(**options)


def test_an_answer_must_have_the_rows_that_were_asked_for():
    """A pipeline that loses or doubles a row is found out."""
    found = pa.RecordBatch.from_pydict({"y": pa.array([1.0], pa.float32())})
    with pytest.raises(ScoringError, match="answered 1 rows for rows 0-1"):
        check_answer(found, [("y", "float")], 2, "rows 0-1")


def test_an_answer_must_have_the_columns_that_were_described():
    """Other columns than the probe's are an error, not a table with shifted meanings."""
    expected = [("y.a", "double"), ("y.b", "double")]
    for names in (["y.b", "y.c"], ["y.b"], ["y.a", "y.a"], ["y.a", "y.b", "y.c"]):
        found = pa.RecordBatch.from_arrays([pa.array([1.0])] * len(names), names)
        with pytest.raises(ScoringError, match=r"answered .*y\..* said before .* y\.a, y\.b"):
            check_answer(found, expected, 1, "rows 0-0")


def test_columns_in_another_order_are_taken_by_name():
    """Their names say what they mean."""
    found = pa.RecordBatch.from_pydict({"y.b": [1.0], "y.a": pa.array([2.0], pa.float32())})
    checked = check_answer(found, [("y.a", "double"), ("y.b", "float")], 1, "rows 0-0")
    assert checked.to_pydict() == {"y.a": [2.0], "y.b": [1.0]}
    assert checked.schema == answer_schema([("y.a", "double"), ("y.b", "float")])


def test_an_answer_gets_exactly_the_described_types():
    """float32 stays float32, and a wider answer is brought to what Spark was told."""
    found = pa.RecordBatch.from_pydict({"y": pa.array([1], pa.int64())})
    checked = check_answer(found, [("y", "double")], 1, "rows 0-0")
    assert checked.schema == answer_schema([("y", "double")])


BIG = 2**53 + 1
KINDS = {
    "float": pa.float32(),
    "double": pa.float64(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
}


@pytest.mark.parametrize(
    ("values", "kind", "described_as", "expected"),
    [
        ([0.5, NAN, float("inf"), None], "double", "float", [0.5, NAN, float("inf"), NAN]),
        ([0.1, None], "float", "double", [0.10000000149011612, NAN]),
        ([1, None, 2**24], "int64", "float", [1.0, NAN, 2.0**24]),
        ([-(2**63), None], "int64", "double", [-(2.0**63), NAN]),
        ([1.0, NAN, None, -(2.0**63)], "double", "int64", [1, None, None, -(2**63)]),
        ([2.0**53], "float", "int64", [2**53]),
        ([2.0**31 - 1], "double", "int32", [2**31 - 1]),
        ([2**31 - 1, None], "int64", "int32", [2**31 - 1, None]),
        ([True, None], "bool", "double", [1.0, NAN]),
        ([True, None], "bool", "int64", [1, None]),
        ([1.0, 0.0, NAN], "double", "bool", [True, False, None]),
        ([1, 0, None], "int32", "bool", [True, False, None]),
        ([None, None], "string", "float", [NAN, NAN]),
        ([None, None], "double", "string", [None, None]),
        ([None], "string", "int32", [None]),
        ([], "string", "double", []),
    ],
)
def test_a_value_of_another_type_is_taken_where_it_is_the_same(
    values, kind, described_as, expected
):
    """Types go by a batch's values in pandas: integers of which one is missing are floats."""
    found = pa.RecordBatch.from_arrays([pa.array(values, KINDS[kind])], ["y"])
    checked = check_answer(found, [("y", described_as)], len(values), "rows 0-3")
    assert checked.schema == answer_schema([("y", described_as)])
    assert str(checked.column(0).to_pylist()) == str(expected)


@pytest.mark.parametrize(
    ("values", "kind", "described_as", "named"),
    [
        ([0.5, 1e300], "double", "float", "1e+300 of type double"),
        ([0.5, 0.1], "double", "float", "0.1 of type double"),
        ([1, 2**24 + 1], "int64", "float", "16777217 of type int64"),
        ([None, BIG], "int64", "double", f"{BIG} of type int64"),
        ([1, 2**63 - 1], "int64", "double", f"{2**63 - 1} of type int64"),
        ([NAN, 0.3], "double", "bool", "0.3 of type double"),
        ([1, 2], "int32", "bool", "2 of type int32"),
        ([1.0, 1.5], "double", "int64", "1.5 of type double"),
        ([1.0, 2.0**63], "double", "int64", "9.223372036854776e+18 of"),
        ([1.0, float("inf")], "double", "int32", "inf of type double"),
        ([1, 2**31], "int64", "int32", f"{2**31} of type int64"),
        ([None, 0.1], "double", "string", "0.1 of type double"),
        ([None, "0.1"], "string", "double", "'0.1' of type string"),
        ([None, "True"], "string", "bool", "'True' of type string"),
    ],
)
def test_a_value_that_the_described_type_does_not_hold_is_refused(
    values, kind, described_as, named
):
    """Never rounded, never inf, never a text of a number: column, row and both types are named."""
    found = pa.RecordBatch.from_arrays([pa.array(values, KINDS[kind])], ["y"])
    with pytest.raises(ScoringError) as caught:
        check_answer(found, [("y", described_as)], 2, "rows 40-41 of partition 3", 40)
    message = caught.value.message
    assert "column 'y'" in message
    assert "for row 41 (of rows 40-41 of partition 3)" in message
    assert f"described it as {KINDS[described_as]}" in message
    assert named in message
    assert str(KINDS[described_as]) in caught.value.cause


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.integers(0, 63).map(lambda n: 2**n - 1),
    st.floats(),
    st.floats(width=32),
    st.booleans(),
)


@given(
    values=st.lists(NUMBERS | st.none(), min_size=1, max_size=5),
    kind=st.sampled_from(sorted(KINDS)[:-1]),
    described_as=st.sampled_from(sorted(KINDS)),
)
def test_whatever_is_answered_is_the_same_or_refused(values, kind, described_as):
    """As Python compares numbers, which it does exactly."""
    try:
        sent = pa.array(values, KINDS[kind])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return
    found = pa.RecordBatch.from_arrays([sent], ["y"])
    try:
        checked = check_answer(found, [("y", described_as)], len(values), "rows")
    except ScoringError:
        assert kind != described_as
        return
    for before, behind in zip(sent.to_pylist(), checked.column(0).to_pylist()):
        if before is None or before != before:
            assert behind is None or behind != behind
        else:
            assert before == behind
            assert isinstance(behind, str) == (described_as == "string")
