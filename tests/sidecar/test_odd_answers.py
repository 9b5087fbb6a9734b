"""Pipelines with odd answers, errors and methods: the right scores, or an error of ours.

What a scorer does is said by its rows' text, so one sidecar serves most tests.
"""

import textwrap

import numpy as np
import pandas as pd
import pytest
from odd_scorer import EXAMPLE, SCORER, odd_export
from scoring_calls import batches_of, describe

from dai_spark import score_pandas
from dai_spark.client.isolate import isolate_batches
from dai_spark.client.score import score_batches
from dai_spark.errors import ScoringError, SidecarStartError


@pytest.fixture(scope="module")
def pipeline_of(tmp_path_factory):
    """An export whose Scorer is this source, with this example."""

    def make(scorer=SCORER, example=EXAMPLE):
        return odd_export(tmp_path_factory.mktemp("odd"), scorer, example)

    return make


@pytest.fixture(scope="module")
def executor(shared_executor):
    """Sidecars stay warm between these tests."""
    return shared_executor


@pytest.fixture(scope="module")
def odd(plan, pipeline_of, shared_executor):
    """The plan of a pipeline that does what its rows say."""
    return describe(plan(pipeline_of(), start_method="fork"), shared_executor)


def rows_for(habit, n_rows=4):
    return pd.DataFrame({"number": np.arange(n_rows) + 1.0, "text": [habit] * n_rows})


@pytest.fixture
def scored(odd, executor):
    """Score rows whose text is a habit: the first piece's answer, or its error."""

    def call(habit, n_rows=4):
        (found,) = score_batches(odd, batches_of(rows_for(habit, n_rows)), executor)
        return found

    return call


@pytest.mark.parametrize(
    "habit",
    [
        "found.iloc[::-1]",
        "found.sample(frac=1, random_state=3)",
        "found.sort_values('y', ascending=False)",
        "found.iloc[::-1]['y'].rename('y')",
        "found.iloc[::-1].set_index(np.array([3.0, 2.0, 1.0, 0.0]))",
        "found.astype('float64')",
        "found['y'].astype('category').to_frame()",
        "found.astype(object)",
        "found.astype('Int64')",
        "{'y': list(score)}",
        "np.array([(s,) for s in score], dtype=[('y', 'f4')])",
        "(frame.drop(frame.index, inplace=True), found)[1]",
    ],
)
def test_every_row_gets_its_own_score(scored, habit):
    """By the answer's index where it says which row is which, and exactly."""
    found = scored(habit)
    assert found.error is None, found.error
    assert found.answer.column(0).to_pylist() == [2.0, 4.0, 6.0, 8.0]
    assert str(found.answer.column(0).type) == "float"


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        ("found.set_index(np.array([0, 0, 1, 2]))", "does not tell which row is which"),
        ("found.set_index(pd.Index(list('abcd')))", "does not tell which row is which"),
        ("found.set_index(np.arange(1, 5))", "does not tell which row is which: it is 1, 2, 3, 4"),
        (
            "(frame.sort_values('number', ascending=False, inplace=True), score)[1]",
            "changed the order",
        ),
        ("found.iloc[:3]", "answered 3 rows for 4"),
        ("found.astype('float64') * 1e300", r"'y' with 2e\+300 of type double for row 0"),
        ("found.astype('float64') + 0.1", r"of type double for row 0 .* described it as float"),
        ("found.astype(str)", "'y' with '2.0' of type string for row 0"),
        ("found.rename(columns={'y': 'z'})", "answered z for .* said before that it answers y"),
        ("pd.concat([found, found], axis=1)", "columns of one name: y"),
        ("found[[]]", "answered no columns"),
        ("found.astype('datetime64[ns]')", "type datetime64"),
        ("found.astype(complex)", "type complex"),
        ("pd.DataFrame({'y': [[1], [2], [3], [4]]})", "row 0 with a value of type list"),
        ("pd.DataFrame({'y': [1, 'a', 2, 3]})", "several types: integer in row 0, text in row 1"),
        ("pd.DataFrame({'y': [decimal.Decimal(1)] * 4})", "a value of type Decimal"),
        ("None", "answered None"),
        ("1.0", "a value of type float"),
        ("'abcd'", "a value of type str"),
        ("{1, 2, 3, 4}", "a value of type set"),
        ("throw(NoText())", "<a NoText whose text cannot be made: RuntimeError>"),
        ("throw(KeyboardInterrupt('k'))", "KeyboardInterrupt: k"),
        ("throw(GeneratorExit())", "GeneratorExit"),
        ("throw(SystemExit(NoText()))", r"left by SystemExit\(<a NoText whose"),
        ("throw(StopIteration())", "StopIteration"),
        (r"throw(ValueError('bad \udcff\ud800 x'))", r"ValueError: bad \\udcff\\ud800 x"),
        ("throw(ValueError('x' * (50 << 20)))", "ValueError: xxx"),
        (r"throw(ValueError('\u00e9' * 12_000_000))", "ValueError: ééé"),
        ("deep(500)", "ZeroDivisionError: division by zero"),
        ("chain(500)", "ValueError: 499 ééé"),
    ],
)
def test_what_cannot_be_taken_is_a_scoring_error(scored, habit, words):
    """A sentence that can be sent anywhere; the connection goes on."""
    with pytest.raises(ScoringError, match=words) as caught:
        raise scored(habit).error
    assert len(str(caught.value).encode("utf-8")) < 150_000


def test_a_bad_row_has_its_reason_in_few_words(odd, executor):
    """In quarantine the reason is a column of a table; good rows keep their scores."""
    rows = rows_for(None, 8)
    rows.loc[2, "text"] = r"throw(ValueError('bad \udcff\ud800 x' + 'z' * 5_000_000))"
    rows.loc[5, "text"] = "found.astype('float64') * 1e300"
    (found,) = isolate_batches(odd, batches_of(rows), executor)
    errors = found.error.to_pylist()
    assert [i for i, error in enumerate(errors) if error] == [2, 5]
    assert errors[2].startswith(r"The pipeline raised ValueError: bad \udcff\ud800 xzzz")
    assert len(errors[2]) < 5000
    assert "'y' with 1.2000000000000000" in errors[5] or "'y' with 1.2e+301" in errors[5]
    kept = found.prediction.field(0).to_pylist()
    assert [kept[i] for i in (0, 1, 3, 4, 6, 7)] == [2.0, 4.0, 8.0, 10.0, 14.0, 16.0]


def test_pieces_are_put_in_order_one_by_one(plan, pipeline_of, executor):
    """Each piece has an index of its own, from 0; so has a piece of one row."""
    made = describe(plan(pipeline_of(), start_method="fork", batch_rows=3), executor)
    found = score_batches(made, batches_of(rows_for("found.iloc[::-1]", 10)), executor)
    answers = [value for piece in found for value in piece.answer.column(0).to_pylist()]
    assert answers == [2.0 * (i + 1) for i in range(10)]


# -- what it says of itself ---------------------------------------------------------------------


def changed(**methods):
    """The source of a Scorer of which some methods are others; None for one that it lacks."""
    lines = ["class Base(object):\n    pass\n", textwrap.dedent(SCORER)]
    for name, body in methods.items():
        lines.append(f"del Scorer.{name}" if body is None else f"Scorer.{name} = {body}")
    return "\n".join(lines)


SAMPLES = """
pd.Series(['True', 'False'], name='number', dtype='bool')
pd.Series(['a'], name='text', dtype='object')
"""


@pytest.mark.parametrize(
    ("scorer", "example"),
    [
        (changed(get_target_labels=None), EXAMPLE),
        (changed(score=None), EXAMPLE.replace("'1'", "'1,000'").replace("'2'", "' n/a '")),
        (changed(get_column_names="lambda self: np.array(['number', 'text'])"), SAMPLES),
    ],
    ids=["no labels", "texts in a number column", "booleans"],
)
def test_what_a_scorer_lacks_is_borne(plan, pipeline_of, executor, scorer, example):
    """It scores all the same."""
    scorer = scorer.replace("eval(asked[0]) if asked else found", "found.iloc[::-1]")
    made = describe(plan(pipeline_of(scorer, example)), executor)
    (found,) = score_batches(made, batches_of(rows_for("a")), executor)
    assert found.answer.column(0).to_pylist() == [2.0, 4.0, 6.0, 8.0]


ANY = """lambda self, frame, **asked: pd.DataFrame({
    "contrib_1" if asked.pop("pred_contribs", None) else "y": frame["number"] * 2.0 + len(asked)
})"""


def test_a_scorer_that_takes_any_argument_gets_those_that_are_asked_for(
    plan, pipeline_of, executor
):
    """A wrapper's **kwargs go to who may not know them all."""
    path = pipeline_of(changed(score_batch=ANY))
    made = describe(plan(path), executor)
    (found,) = score_batches(made, batches_of(rows_for("a")), executor)
    assert found.answer.column(0).to_pylist() == [2.0, 4.0, 6.0, 8.0]
    explained = describe(plan(path, contributions="transformed"), executor)
    assert explained.described.output == (("contrib_1", "double"),)


WHOLE = """lambda self, frame: pd.DataFrame({
    "y": np.array([None if n != n else int(n) + 2**53 + 1 for n in frame["number"]], dtype=object)
})"""
# As pandas writes integers some of which are missing.
FLOATS = """lambda self, frame: pd.DataFrame({
    "y": frame["number"] if frame["number"].isnull().any() else frame["number"].astype("int64")
})"""


def test_integers_some_of_which_are_missing_stay_what_they_are(
    pipeline_of, packed_environment, license_text
):
    """Null in the type that was described, also where pandas has made floats of a whole batch."""
    rows = pd.DataFrame({"number": [2.0, np.nan, 4.0], "text": "a"})
    words = {"license": license_text, "start_method": "fork"}
    for scorer, expected in [(WHOLE, [2**53 + 3, None, 2**53 + 5]), (FLOATS, [2, None, 4])]:
        path = pipeline_of(changed(score_batch=scorer))
        found = score_pandas(rows, path, packed_environment, **words)["y"]
        assert [None if value is pd.NA else value for value in found] == expected
        assert str(found.dtype) == "Int64"


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"get_column_names": "lambda self: ()"}, "wants no columns"),
        ({"get_column_names": "lambda self: 'abc'"}, "wants a text in place of a list"),
        ({"get_column_names": "lambda self: ['a', 'a']"}, "wants columns of one name: a"),
        ({"get_column_names": "lambda self: None"}, "TypeError"),
        ({"get_column_names": "lambda self: throw(NoText())"}, "a NoText whose text"),
        ({"get_column_names": None}, "no attribute 'get_column_names'"),
        ({"get_target_labels": "lambda self: throw(KeyboardInterrupt())"}, "KeyboardInterrupt"),
        ({"get_target_labels": "lambda self: 7"}, "TypeError"),
        ({"get_target_labels": r"lambda self: ['\ud800']"}, "not valid Unicode"),
        ({"score_batch": None}, "no attribute 'score_batch'"),
        ({"score_batch": "lambda self, frame: pd.DataFrame(index=[0])"}, "answered no columns"),
        ({"score_batch": "lambda self, frame: frame.number.astype('m8[ns]')"}, "timedelta64"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_a_scorer_must_have_is_asked_for_in_a_sentence(
    plan, pipeline_of, executor, methods, words
):
    """Before a row of the table is scored."""
    made = plan(pipeline_of(changed(**methods)), start_method="fork")
    with pytest.raises(ScoringError, match=words):
        describe(made, executor)


def test_a_load_that_fails_with_an_odd_text_is_told(plan, pipeline_of, executor):
    """The verdict is remembered, and told again."""
    made = plan(
        pipeline_of(changed(__init__=r"lambda self: throw(ValueError('\ud800' + 'é' * 9_000_000))"))
    )
    for _ in range(2):
        with pytest.raises(SidecarStartError, match=r"ValueError: \\ud800ééé") as caught:
            describe(made, executor)
        assert len(str(caught.value).encode("utf-8")) < 150_000
