"""How far the rows of a server have moved, from a table job's and from the training data."""

import json

import numpy as np
import pyarrow as pa
import pytest

from dai_spark.drift.baseline import Baseline, read_baseline
from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import measured_column
from dai_spark.drift.recent_rows import DriftFigures, RecentRows
from dai_spark.drift.stability_index import LITTLE, MUCH
from dai_spark.errors import OptionError


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def drawn(n, shift=0.0, words=("a", "b"), missing=0.0):
    """Rows and their scores."""
    random = np.random.default_rng(7)
    values = random.normal(shift, 1, n)
    numbers = [None if random.random() < missing else v for v in values.tolist()]
    rows = pa.table({"x": pa.array(numbers, "float64"), "t": random.choice(words, n)})
    return rows, pa.table({"y.yes": pa.array(random.random(n) ** (1 + shift), "float32")})


def baseline():
    """Of five thousand rows."""
    rows, scored = drawn(5000)
    inputs = {
        "x": measured_column(rows["x"].to_pylist(), True, 5000),
        "t": measured_column(rows["t"].to_pylist(), False, 5000),
    }
    return Baseline(inputs, {"y.yes": Distribution.of(scored["y.yes"].to_pylist())})


def recent(**words):
    """A watch over one column of numbers and one of texts."""
    return RecentRows(baseline(), {"x": (-3.0, 3.0)}, frozenset(["x"]), **words)


def test_rows_like_those_of_the_baseline_have_not_moved():
    """Seen one by one or many at once."""
    for n_at_once in (1, 700):
        watch = recent()
        rows, scored = drawn(2100)
        for i in range(0, 2100, n_at_once):
            watch.see(rows.slice(i, n_at_once), scored.slice(i, n_at_once))
        found = watch.figures()
        assert found.n_rows == 2100
        assert set(found.inputs) == {"x", "t"}
        assert max([*found.inputs.values(), *found.predictions.values()]) < LITTLE
        assert found.out_of_range["x"] < 0.01
        assert found.missing == {"x": 0.0, "t": 0.0}


def test_rows_that_have_moved_are_told():
    """Numbers, texts, scores, missing values, and what training never saw."""
    watch = recent()
    watch.see(*drawn(2000, shift=2.0, words=("b", "c"), missing=0.3))
    found = watch.figures()
    assert min(found.inputs["x"], found.inputs["t"], found.predictions["y.yes"]) > MUCH
    assert found.out_of_range["x"] > 0.1
    assert 0.25 < found.missing["x"] < 0.35


def test_few_rows_tell_nothing():
    """By chance alone their index is large."""
    assert recent().figures() == DriftFigures()
    watch = recent()
    watch.see(*drawn(100, shift=3.0))
    found = watch.figures()
    assert (found.inputs, found.predictions) == ({}, {})
    assert found.out_of_range["x"] > 0.3


def test_a_period_ends():
    """The one before is told until the next has rows enough; an old one is forgotten."""
    clock = Clock()
    watch = recent(period_s=60, clock=clock)
    watch.see(*drawn(2000, shift=2.0))
    clock.now_s = 61
    watch.see(*drawn(10))
    assert watch.figures().n_rows == 2000
    watch.see(*drawn(1500))
    assert watch.figures().n_rows == 1510
    assert watch.figures().inputs["x"] < LITTLE
    clock.now_s = 1000
    watch.see(*drawn(10))
    assert watch.figures().n_rows == 10


def test_each_row_of_a_period_is_as_likely_in_the_sample():
    """Late rows are not passed over, and neither are early ones."""
    watch = recent()
    rows, scored = drawn(10_000)
    watch.see(rows, scored)
    watch.see(*drawn(10_000, shift=2.0))
    found = [row["x"] for row, _ in watch._now.kept]
    assert len(found) == 2048
    assert abs(np.mean(found) - 1.0) < 0.15


def test_a_report_of_a_table_job_is_a_baseline(tmp_path):
    """And nothing else is."""
    before = baseline()
    path = tmp_path / "report.json"
    path.write_text(
        json.dumps(
            {
                "inputs": {name: one.to_json() for name, one in before.inputs.items()},
                "distributions": {n: one.to_json() for n, one in before.predictions.items()},
            }
        )
    )
    assert read_baseline(path) == before
    for text in ("{}", "[]", "x", '{"inputs": 3}', '{"inputs": {"x": {"n_rows": 1}}}'):
        path.write_text(text)
        with pytest.raises(OptionError, match="report"):
            read_baseline(path)
    with pytest.raises(OptionError, match="cannot be read"):
        read_baseline(tmp_path / "nowhere.json")
