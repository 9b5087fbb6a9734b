"""RecentRows: how the rows lie that a server has scored lately, and how far they have moved."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from dai_spark.drift.baseline import Baseline
from dai_spark.drift.input_column import MOST_CHARS, InputColumn, measured_column
from dai_spark.drift.stability_index import LEAST_ROWS, psi

__all__ = ["DriftFigures", "RecentRows"]

_MOST_ROWS = 2_048
_MOST_COLUMNS = 50


@dataclass(frozen=True)
class DriftFigures:
    """How the rows of the last period lie.

    Attributes
    ----------
    n_rows : int
        Of the period.
    inputs, predictions : mapping of str to float
        Population stability index against the baseline, of those that have one.
    out_of_range : mapping of str to float
        Share of a column's numbers that are outside of what the training data had.
    missing : mapping of str to float
        Share of a column's values that are missing.
    """

    n_rows: int = 0
    inputs: Mapping[str, float] = field(default_factory=dict)
    predictions: Mapping[str, float] = field(default_factory=dict)
    out_of_range: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)


class _Period:
    """A sample of the rows of one period, each as likely in it as another."""

    def __init__(self, begun_s: float) -> None:
        self.begun_s = begun_s
        self.n_rows = 0
        self.kept: List[Tuple[Dict[str, Any], Dict[str, Any]]] = []


class RecentRows:
    """Keeps a sample of what a server scores, period by period.

    Thread-safe; `see` costs a draw a row, and Python's values of those that are kept.

    Parameters
    ----------
    baseline : Baseline
        May be empty: then only ranges and missing values are told.
    ranges : mapping of str to (float, float)
        Least and largest value of each column of numbers in training.
    numbers : set of str
        Columns of which the pipeline wants numbers.
    period_s : float, default 3600
        The figures are of the period that goes on, once it has rows enough to tell, and of the
        one before until then.
    clock : callable
        `time.monotonic`.
    """

    def __init__(
        self,
        baseline: Baseline,
        ranges: Mapping[str, Tuple[float, float]],
        numbers: "frozenset[str]",
        period_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._baseline = baseline
        self._ranges = ranges
        self._numbers = numbers
        self._period_s = period_s
        self._clock = clock
        self._random = np.random.default_rng()
        self._lock = threading.Lock()
        self._now = _Period(clock())
        self._before: Optional[_Period] = None

    def see(self, rows: pa.Table, scored: pa.Table) -> None:
        """Take note of rows that were scored.

        Parameters
        ----------
        rows, scored : pyarrow.Table
            As many of both.
        """
        with self._lock:
            now_s = self._clock()
            if now_s - self._now.begun_s >= self._period_s:
                is_next = now_s - self._now.begun_s < 2 * self._period_s
                self._before = self._now if is_next else None
                self._now = _Period(now_s)
            period = self._now
            n_first = min(rows.num_rows, _MOST_ROWS - len(period.kept))
            # The n-th row of a period stays with the probability of one that is as likely as all.
            n_seen = period.n_rows + np.arange(n_first, rows.num_rows) + 1
            drawn = self._random.random(rows.num_rows - n_first)
            later = (np.flatnonzero(drawn * n_seen < _MOST_ROWS) + n_first).tolist()
            taken = _taken(rows, scored, [*range(n_first), *later])
            period.kept += taken[:n_first]
            for one in taken[n_first:]:
                period.kept[int(self._random.integers(_MOST_ROWS))] = one
            period.n_rows += rows.num_rows

    def figures(self) -> DriftFigures:
        """How the rows lie; takes some milliseconds for each column."""
        with self._lock:
            period = self._now
            if period.n_rows < LEAST_ROWS and self._before is not None:
                period = self._before
            kept, n_rows = list(period.kept), period.n_rows
        if not kept:
            return DriftFigures()
        columns = self._measured([row for row, _ in kept], n_rows)
        predictions = _measured_predictions([scored for _, scored in kept], n_rows)
        before = self._baseline
        moved = {n: c.psi(before.inputs[n]) for n, c in columns.items() if n in before.inputs}
        scores = {
            name: psi(before.predictions[name], column.numbers)
            for name, column in predictions.items()
            if name in before.predictions and column.numbers is not None
        }
        outside = {
            name: _outside([row.get(name) for row, _ in kept], *self._ranges[name])
            for name in columns
            if name in self._ranges
        }
        missing = {name: column.null_share for name, column in columns.items()}
        return DriftFigures(n_rows, _known(moved), _known(scores), outside, missing)

    def _measured(self, rows: Sequence[Mapping[str, Any]], n_rows: int) -> Dict[str, InputColumn]:
        found = {}
        for name in list(rows[0])[:_MOST_COLUMNS]:
            values = [row.get(name) for row in rows]
            is_number = name in self._numbers
            if not is_number:
                values = [None if value is None else str(value)[:MOST_CHARS] for value in values]
            found[name] = measured_column(values, is_number, n_rows)
        return found


def _taken(
    rows: pa.Table, scored: pa.Table, places: List[int]
) -> List[Tuple[Dict[str, Any], Dict[str, Any]]]:
    """Some rows with their scores as Python's values."""
    if not places:
        return []
    if len(places) < rows.num_rows:
        rows, scored = rows.take(pa.array(places)), scored.take(pa.array(places))
    found = rows.to_pylist()
    for row in found:
        for name, value in row.items():
            row[name] = _plain(value)
    return list(zip(found, scored.to_pylist()))


def _plain(value: Any) -> Any:
    """A missing number is None, whoever sent it as NaN."""
    return None if isinstance(value, float) and value != value else value


def _measured_predictions(rows: Sequence[Mapping[str, Any]], n_rows: int) -> Dict[str, InputColumn]:
    names = [
        name
        for name, value in rows[0].items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    return {
        name: measured_column([row.get(name) for row in rows], True, n_rows)
        for name in names[:_MOST_COLUMNS]
    }


def _outside(values: Sequence[Any], least: float, most: float) -> float:
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    return sum(not least <= number <= most for number in numbers) / max(len(numbers), 1)


def _known(found: Mapping[str, Optional[float]]) -> Dict[str, float]:
    return {name: value for name, value in found.items() if value is not None}
