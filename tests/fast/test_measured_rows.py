"""How rows lie, as tasks measure it: against numpy on the same rows, and each partition once."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

from dai_spark.drift.distribution import SHARES, Distribution
from dai_spark.drift.measured_rows import MeasuredRows, WhatToMeasure
from dai_spark.drift.quantile_sketch import QuantileSketch
from dai_spark.drift.row_sample import MOST_ROWS
from dai_spark.drift.stability_index import psi
from dai_spark.drift.value_figures import ValueFigures

RANK_ERROR = 0.0015
WHAT = WhatToMeasure({"x": True, "s": False}, ("x",), ("p",))


def rank_error(values, quantiles):
    """How far the worst of the quantiles' ranks is off."""
    values = np.sort(values)
    lowest = np.searchsorted(values, quantiles, side="left") / values.size
    highest = np.searchsorted(values, quantiles, side="right") / values.size
    return max(0, (lowest - SHARES).max(), (SHARES - highest).max())


@pytest.mark.parametrize("kind", ["crowded", "sorted", "long tail", "few values"])
def test_a_sketch_knows_ranks_to_a_thousandth(kind):
    """Of 400,000 numbers in batches and partitions, in a few thousand values."""
    random = np.random.default_rng(7)
    n = 400_000
    values = {
        "crowded": lambda: random.beta(0.3, 4, n).astype("float32"),
        "sorted": lambda: np.arange(n) / 3,
        "long tail": lambda: random.lognormal(3, 1.5, n),
        "few values": lambda: random.choice([0.1, 0.25, 0.7], n, p=[0.2, 0.5, 0.3]),
    }[kind]()
    whole = QuantileSketch()
    for number, part in enumerate(np.array_split(values, 16)):
        sketch = QuantileSketch(number)
        for batch in np.array_split(part, 5):
            sketch.add(batch)
        assert len(pickle.dumps(sketch)) < 32_000
        whole.merge(sketch)
    quantiles = whole.quantiles(SHARES)
    assert np.all(np.diff(quantiles) >= 0)
    assert set(quantiles) <= set(values.astype("float64"))
    assert rank_error(values.astype("float64"), quantiles) < RANK_ERROR


def test_a_few_numbers_are_all_kept():
    """As `Distribution.of` has them, to the bit."""
    values = np.random.default_rng(1).normal(size=MOST_ROWS)
    sketch = QuantileSketch(1)
    for batch in np.array_split(values, 7):
        sketch.add(batch)
    assert np.array_equal(
        sketch.quantiles(SHARES), np.quantile(values, SHARES, method="inverted_cdf")
    )


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_what_is_no_number_is_counted_apart(kind):
    """Null, NaN and both infinities leave no trace in the figures."""
    odd = [None, float("nan"), float("nan"), float("inf"), -float("inf"), float("inf"), 0.5, -0.5]
    figures = ValueFigures()
    for batch in (odd[:3], [], odd[3:]):
        figures.add(pa.array(batch, kind))
    assert figures.distribution() == Distribution.of(odd)
    assert figures.n_present == 7
    empty = ValueFigures()
    empty.merge(ValueFigures())
    assert empty.distribution() == Distribution.of([])


def test_integers_with_nulls_are_numbers():
    """Their nulls are no NaN."""
    figures = ValueFigures()
    figures.add(pa.array([1, None, 3], pa.int64()))
    figures.add(pa.array([5, 7], pa.int64()))
    assert figures.distribution() == Distribution.of([1, None, 3, 5, 7])


def partition(number, attempt, n_rows, first=0):
    """What a task reports that has measured so many rows, by way of pickle, as Spark does."""
    rows = MeasuredRows.of_partition(WHAT, number, attempt)
    for begin in range(first, first + n_rows, 1000):
        x = np.arange(begin, min(begin + 1000, first + n_rows))
        batch = pa.record_batch(
            {"x": pa.array(x.astype("float64")), "s": pa.array((x % 2).astype(str))}
        )
        rows.add(batch, pa.StructArray.from_arrays([pa.array(x / 7)], ["p"]))
    return pickle.loads(pickle.dumps(rows))


def test_a_partition_counts_once_whatever_is_run_again():
    """A copy, a stage that is run again: the first counts.  Parts of one attempt add up."""
    found = MeasuredRows()
    for number, attempt in ((1, 10), (0, 11), (1, 12), (0, 11)):
        found = found.merged(partition(number, attempt, 3000, 3000 * number))
    once = MeasuredRows()
    for number, attempt in ((0, 11), (0, 11), (1, 10)):
        once = once.merged(partition(number, attempt, 3000, 3000 * number))
    assert found.n_rows == once.n_rows == 9000
    assert found.inputs() == once.inputs()
    one, other = found.distributions(WHAT)["p"], once.distributions(WHAT)["p"]
    assert (one.n, one.minimum, one.maximum) == (9000, 0, 5999 / 7)
    assert psi(one, other) < 1e-3


def test_an_attempt_that_is_made_again_measures_the_same():
    """Neither the order in which tasks end nor chance is in what is sampled."""
    forwards, backwards = MeasuredRows(), MeasuredRows()
    for number in range(4):
        forwards = forwards.merged(partition(number, number, 5000))
        backwards = backwards.merged(partition(3 - number, 90 + number, 5000))
    assert forwards.inputs() == backwards.inputs()
    x = forwards.inputs()["x"]
    assert (x.n_rows, x.minimum, x.maximum, x.null_share) == (20_000, 0, 4999, 0)
    assert MOST_ROWS / 2 < x.numbers.n <= 1.3 * MOST_ROWS


def test_bad_rows_have_no_prediction_to_measure():
    """They are rows of the source all the same."""
    rows = MeasuredRows.of_partition(WHAT, 0, 1)
    batch = pa.record_batch({"x": pa.array([1.0, None, 3.0]), "s": pa.array(["a", "b", None])})
    answer = pa.StructArray.from_arrays([pa.array([0.1, 99.0, 0.3])], ["p"])
    rows.add(batch, answer, pa.array([None, "it raised", None], pa.string()))
    assert (rows.n_rows, rows.n_bad) == (3, 1)
    assert rows.distributions(WHAT)["p"] == Distribution.of([0.1, 0.3])
    assert rows.inputs()["x"].null_share == pytest.approx(1 / 3)
    assert MeasuredRows().distributions(WHAT) == {"p": Distribution.of([])}
    assert MeasuredRows().inputs() == {}
