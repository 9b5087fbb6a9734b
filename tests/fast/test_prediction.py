"""Predictions made of answers: labels, maps, intervals; what a pipeline cannot give is refused."""

import pyarrow as pa
import pytest

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
    found = pa.RecordBatch.from_pydict({"y.b": [1.0], "y.a": [2.0]})
    with pytest.raises(ScoringError, match=r"y\.b, y\.a .* said before .* y\.a, y\.b"):
        check_answer(found, [("y.a", "double"), ("y.b", "double")], 1, "rows 0-0")


def test_an_answer_gets_exactly_the_described_types():
    """float32 stays float32, and a wider answer is brought to what Spark was told."""
    found = pa.RecordBatch.from_pydict({"y": pa.array([1], pa.int64())})
    checked = check_answer(found, [("y", "double")], 1, "rows 0-0")
    assert checked.schema == answer_schema([("y", "double")])
