"""Distributions in memory, and the population stability index of two of them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.stability_index import LEAST_ROWS, LITTLE, MUCH, psi, psi_of_each, reading
from dai_spark.errors import DriftError
from dai_spark.table_job.report.drift_limit import check_drift

NORMAL = np.random.default_rng(7).normal(size=20_000)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ANY = st.one_of(st.none(), st.floats())


def rows_of(values):
    """The values again and again, until there are rows enough for an index."""
    return [*values] * (LEAST_ROWS // len(values) + 1)


@settings(max_examples=50)
@given(st.lists(ANY, max_size=50))
def test_a_distribution_counts_every_row_once(values):
    """Numbers, nulls, NaN and infinities add up to the rows, and its text reads back the same."""
    found = Distribution.of(values)
    assert found.n_rows == len(values)
    assert found.n_null == sum(value is None for value in values)
    assert found.n_nan == sum(value is not None and np.isnan(value) for value in values)
    assert found.n_infinite == sum(value is not None and np.isinf(value) for value in values)
    assert Distribution.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert (found.minimum is None) == (found.n == 0)


@settings(max_examples=50)
@given(st.lists(NUMBERS, min_size=1, max_size=50), st.lists(NUMBERS, min_size=1, max_size=20))
def test_shares_grow_from_none_to_all(values, places):
    """The cumulative share never falls, is 0 below the minimum and 1 from the maximum on."""
    found = Distribution.of(values)
    shares = found.share_up_to(sorted(places))
    assert np.all(np.diff(shares) >= 0)
    assert np.all((shares >= 0) & (shares <= 1))
    assert found.share_up_to(max(values))[0] == 1
    below = min(values) - max(abs(min(values)) / 1e9, 1e-300)
    if np.isfinite(below):
        assert found.share_up_to(below)[0] == 0


def test_shares_are_those_of_the_rows():
    """Shares, quantiles and bins are those that numpy finds, to the distance of the known ones."""
    found = Distribution.of(NORMAL)
    for place in (-2.5, -1.0, 0.0, 0.3, 2.0):
        assert found.share_up_to(place)[0] == pytest.approx((place >= NORMAL).mean(), abs=0.003)
    assert found.quantile(0.5) == np.quantile(NORMAL, 0.5, method="inverted_cdf")
    edges = np.linspace(-3, 3, 13)
    expected = np.histogram(np.clip(NORMAL, -3, 3), edges)[0] / len(NORMAL)
    np.testing.assert_allclose(found.histogram(edges), expected, atol=0.004)


def test_a_value_of_many_rows_is_a_step():
    """A leaf that a third of the rows fall into is not smeared over its neighbours."""
    found = Distribution.of([0.1] * 300 + [0.2] * 300 + [0.7] * 300)
    assert found.share_up_to([0.0999, 0.1, 0.2, 0.6999, 0.7]) == pytest.approx(
        [0, 1 / 3, 2 / 3, 2 / 3, 1], abs=0.011
    )


@settings(max_examples=50)
@given(st.lists(ANY, min_size=1, max_size=50))
def test_nothing_has_moved_from_itself(values):
    """The index of a distribution with itself is 0, whatever it holds."""
    found = Distribution.of(rows_of(values))
    assert psi(found, found) == 0


@settings(max_examples=40)
@given(st.lists(ANY, min_size=1, max_size=50), st.lists(ANY, min_size=1, max_size=50))
def test_an_index_is_a_number_and_not_negative(earlier, later):
    """Also where one has no numbers, one value, or a range that no float holds."""
    found = psi(Distribution.of(rows_of(earlier)), Distribution.of(rows_of(later)))
    assert found is not None
    assert np.isfinite(found)
    assert found >= 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.02, 3), min_size=2, max_size=4, unique=True),
    st.sampled_from([-1, 1]),
    st.floats(1e-3, 1e3),
)
def test_an_index_grows_with_a_shift(shifts, direction, scale):
    """The further the later rows are, to either side, the larger; the unit does not matter."""
    earlier = Distribution.of(NORMAL * scale)
    found = [
        psi(earlier, Distribution.of((NORMAL + direction * shift) * scale))
        for shift in sorted(shifts)
    ]
    assert found == sorted(found)
    assert found[0] > 0


def test_the_usual_bounds_mean_what_they_usually_mean():
    """An index is that of the textbook's sum over the tenths of the earlier rows."""
    later = NORMAL[:10_000] * 1.1 + 0.4
    edges = [-np.inf, *np.quantile(NORMAL, np.arange(1, 10) / 10), np.inf]
    before, after = (np.histogram(x, edges)[0] / len(x) for x in (NORMAL, later))
    textbook = np.sum((after - before) * np.log(after / before))
    found = psi(Distribution.of(NORMAL), Distribution.of(later))
    assert found == pytest.approx(textbook, rel=0.02)
    assert LITTLE < found < MUCH
    assert reading(found) == "moved a little"
    assert [reading(x) for x in (0.05, 0.3, None)] == ["stable", "moved much", "too few rows"]


def test_a_pipeline_that_begins_to_answer_nan_has_moved():
    """What is no number counts, though the numbers that are left lie as before."""
    earlier = Distribution.of(NORMAL)
    for missing in (None, float("nan"), float("inf")):
        later = Distribution.of([*NORMAL[:10_000], *[missing] * 5_000])
        assert psi(earlier, later) > MUCH
    assert psi(earlier, Distribution.of(NORMAL[:10_000])) < 0.01


def test_few_rows_have_no_index():
    """Fifteen example rows would move by chance alone, so nothing is said and nothing refused."""
    few, many = Distribution.of(NORMAL[: LEAST_ROWS - 1]), Distribution.of(NORMAL + 3)
    assert psi(few, many) is None
    assert psi(many, few) is None
    check_drift({"a": few}, {"a": many}, 0.1)


def test_predictions_that_moved_too_far_are_named_worst_first():
    """One sentence with every prediction above the limit and its index; others pass."""
    earlier = {name: Distribution.of(NORMAL) for name in ("a", "b", "c")}
    later = {
        "b": Distribution.of(NORMAL + 0.6),
        "a": Distribution.of(NORMAL + 1.5),
        "c": Distribution.of(NORMAL + 0.1),
        "new": Distribution.of(NORMAL),
    }
    assert list(psi_of_each(earlier, later)) == ["b", "a", "c"]
    with pytest.raises(DriftError, match=r"0\.25 allows \(.*: a \d\.\d{3}, b 0\.\d{3}\), so") as e:
        check_drift(earlier, later, 0.25)
    assert e.value.status == "drift"
    check_drift(earlier, {"c": later["c"]}, 0.25)
