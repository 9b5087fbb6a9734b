"""A scorer that has failed scores nothing more, since its pipeline may have stopped halfway."""

import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from scoring_calls import batches_of, describe, log_of

from dai_spark import open_scorer
from dai_spark.client.connection import Connection, Retired
from dai_spark.client.isolate import isolate_batches
from dai_spark.client.score import score_batches
from dai_spark.errors import ScoringError
from dai_spark.testing import MARK_TEXT

N_ROWS = 80
# The pipeline raises; answers too few rows; answers other columns than it described.
FATES = ("spoil_in_score", "spoil_short_in_score", "spoil_names_in_score")


@pytest.fixture
def executor(shared_executor):
    """What scorers suffer, the next task does not notice."""
    return shared_executor


@pytest.fixture(scope="module")
def own(export, own_scores, flights):
    """The pipeline's own scores of the first rows, none of them marked."""
    return own_scores(export(), flights.head(N_ROWS))


def marked(flights, *rows):
    frame = flights.head(N_ROWS).copy()
    frame.loc[list(rows), "carrier"] = MARK_TEXT
    return frame


def scores_of(found):
    """Scores of all rows of isolated pieces, and the numbers of the bad ones."""
    scores = pd.concat(
        [pa.table({"p": one.prediction}).flatten().to_pandas() for one in found], ignore_index=True
    )
    errors = pa.concat_arrays([one.error for one in found])
    bad = [row for row, text in enumerate(errors.to_pylist()) if text is not None]
    return scores.rename(columns=lambda name: name[2:]), bad


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("n_rows", [8, N_ROWS])
def test_good_rows_beside_bad_ones_have_the_scores_of_a_scorer_that_has_not_failed(
    plan, executor, export, flights, own, fate, n_rows
):
    """Wherever the bad rows are: in the same batch, in the one that is under way behind it."""
    made = describe(plan(export(fate=fate)), executor)
    rows = (3, 12, 13, 40)
    batches = batches_of(marked(flights, *rows), n_rows)
    scores, bad = scores_of(list(isolate_batches(made, batches, executor)))
    assert bad == list(rows)
    assert_frame_equal(scores.drop(index=bad), own.drop(index=bad), check_exact=True)
    assert log_of(executor, made).count("Scorer() constructed") == 1


@pytest.mark.parametrize("fate", FATES)
def test_batches_behind_one_that_failed_are_scored_by_another_scorer(
    plan, executor, export, flights, own, fate
):
    """Also the one that was sent before the failure was known; and the next task's."""
    made = describe(plan(export(fate=fate)), executor)
    good, bad = batches_of(flights.head(N_ROWS), 8), batches_of(marked(flights, 20), 8)
    found = [*score_batches(made, bad, executor), *score_batches(made, good, executor)]
    assert [number for number, one in enumerate(found) if one.error is not None] == [2]
    scores = pd.concat([one.answer.to_pandas() for one in found if one.error is None])
    expected = pd.concat([own.drop(index=range(16, 24)), own])
    assert_frame_equal(scores.reset_index(drop=True), expected.reset_index(drop=True))


@pytest.mark.parametrize("fate", FATES)
def test_a_call_that_failed_leaves_nothing_to_the_next(
    export, packed_environment, license_text, flights, own, fate
):
    """A handle's scorer that failed is not lent again."""
    path = export(fate=fate)
    with open_scorer(path, packed_environment, license=license_text, max_scorers=1) as scorer:
        for _ in range(2):
            with pytest.raises(ScoringError):
                scorer.score(marked(flights, 3))
            found = scorer.score(flights.head(N_ROWS))
            assert_frame_equal(found, own, check_exact=True)


def test_a_scorer_that_failed_on_the_example_scores_no_rows(
    plan, executor, export, packed_environment, license_text, flights, own
):
    """The pipeline fails on some of the export's own rows, which are asked about and no error."""
    path = export(fate="spoil_in_threes")
    with open_scorer(path, packed_environment, license=license_text, max_scorers=1) as scorer:
        # Before rows are: what they are held against is of a scorer that has not failed, either.
        scorer.describe(margin=True)
        assert_frame_equal(scorer.score(flights.head(N_ROWS)), own, check_exact=True)
    made = plan(path)
    with Connection(made, executor) as connection:
        made = made.with_description(connection.describe())
        connection.finish()
    (scored,) = score_batches(made, batches_of(flights.head(N_ROWS)), executor)
    assert_frame_equal(scored.answer.to_pandas(), own, check_exact=True)


@pytest.mark.parametrize("fate", ["spoil_in_score", "spoil_in_threes"])
def test_whatever_a_client_sends_a_failed_scorer_scores_nothing(
    plan, executor, export, flights, fate
):
    """The sidecar's side alone holds the rule: the next batch is answered by RETIRED."""
    made = describe(plan(export(fate=fate)), executor)
    names = list(made.wanted())
    (bad,), (good,) = batches_of(marked(flights, 3)), batches_of(flights.head(N_ROWS))
    with Connection(made, executor) as connection:
        if fate == "spoil_in_threes":
            connection.describe()
        else:
            connection.send_batch(bad.select(names), 0)
            assert isinstance(connection.receive_batch("rows"), ScoringError)
        with pytest.raises(Retired):
            connection.describe()
    with Connection(made, executor) as connection:
        connection.describe() if fate == "spoil_in_threes" else None
        connection.send_batch(bad.select(names), 0)
        connection.send_batch(good.select(names), 0)
        if fate == "spoil_in_score":
            assert isinstance(connection.receive_batch("rows"), ScoringError)
        with pytest.raises(Retired):
            connection.receive_batch("rows")


def test_where_a_scorer_has_to_load_few_loads_find_a_bad_row(plan, executor, export, flights, own):
    """Each failure costs a load there, and a batch that is scored costs none."""
    made = describe(plan(export(fate="spoil_in_score"), start_method="spawn"), executor)
    n_loads = log_of(executor, made).count("Scorer() constructed")
    (batch,) = batches_of(marked(flights, 0), N_ROWS)
    scores, bad = scores_of(list(isolate_batches(made, [batch], executor)))
    assert bad == [0]
    assert_frame_equal(scores.drop(index=bad), own.drop(index=bad), check_exact=True)
    # One to meet it, one for a piece of three rows, one for the row alone, one for what is left.
    assert log_of(executor, made).count("Scorer() constructed") - n_loads <= 4
