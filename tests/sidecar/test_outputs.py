"""What else a pipeline gives than predictions, through the sidecar: contributions, intervals."""

import numpy as np
import pandas as pd
import pytest

from dai_spark import score_pandas
from dai_spark.errors import OptionError

KINDS = [("binomial", "lightgbm"), ("multinomial", "xgboost"), ("regression", "lightgbm")]


@pytest.fixture
def score(packed_environment, license_file):
    def call(frame, path, **words):
        return score_pandas(
            frame, path, packed_environment, license_file=str(license_file), **words
        )

    return call


@pytest.mark.parametrize(("kind", "model"), KINDS)
@pytest.mark.parametrize(
    ("contributions", "flags"),
    [
        ("transformed", {"pred_contribs": True}),
        ("original", {"pred_contribs": True, "pred_contribs_original": True}),
    ],
)
def test_contributions_add_up_to_the_margin(
    score, export, own_scores, flights, kind, model, contributions, flags
):
    """They are the pipeline's own, bit for bit, and with the bias make the margin of each class."""
    path, rows = export(kind=kind, model=model), flights.head(300)
    found = score(rows, path, contributions=contributions)
    pd.testing.assert_frame_equal(found, own_scores(path, rows, **flags), check_exact=True)
    margin = score(rows, path, margin=True).to_numpy()
    summed = found.to_numpy().reshape(len(rows), margin.shape[1], -1).sum(axis=2)
    assert margin.std() > 0.1
    np.testing.assert_allclose(summed, margin, atol=1e-4)
    # They are of another width than a prediction, and remembered as such.
    assert list(score(rows, path).columns) == list(own_scores(path, rows).columns)


def test_approximate_contributions_are_passed_on(score, export, own_scores, flights):
    """fast_approx reaches the pipeline, which then answers otherwise."""
    rows = flights.head(100)
    own = own_scores(export(), rows, pred_contribs=True, fast_approx=True)
    found = score(rows, export(), contributions=True, fast_approx=True)
    pd.testing.assert_frame_equal(found, own, check_exact=True)
    assert not found.equals(score(rows, export(), contributions=True))


def test_intervals_of_a_regression(score, export, own_scores, flights):
    """They come unasked, are left out when asked, and no label is made of them."""
    path, rows = export(kind="regression", intervals=True), flights.head(50)
    found = score(rows, path)
    assert list(found.columns) == ["delay", "delay.lower", "delay.upper"]
    pd.testing.assert_frame_equal(found, own_scores(path, rows), check_exact=True)
    pd.testing.assert_frame_equal(score(rows, path, intervals=False), found[["delay"]])
    with pytest.raises(OptionError, match="labels=True wants class probabilities"):
        score(rows, path, labels=True)


def test_labels_of_five_classes(score, export, own_scores, flights):
    """The column's name without the target, of the largest probability."""
    path, rows = export(kind="multinomial"), flights.head(200)
    own = own_scores(path, rows)
    found = score(rows, path, labels=True)
    expected = own.idxmax(axis=1).str.slice(len("arrival."))
    assert found["label"].tolist() == expected.tolist()
    assert found["label"].nunique() > 1
    pd.testing.assert_frame_equal(found.drop(columns="label"), own, check_exact=True)


def test_a_custom_recipe_is_found_and_used(score, export, own_scores, flights):
    """Its code lies in the export's tmp/contrib, is no part of the wheel, and makes features."""
    path, rows = export(custom_recipe=True), flights.head(500)
    pd.testing.assert_frame_equal(score(rows, path), own_scores(path, rows), check_exact=True)
    explained = score(rows, path, contributions=True)
    made = [name for name in explained if "RemainderTransformer:" in name]
    assert len(made) > 5
    assert explained[made].abs().to_numpy().sum() > 0
