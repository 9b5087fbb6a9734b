"""QuantileSketch: quantiles of numbers that pass once, in little memory, that can be merged."""

from typing import TYPE_CHECKING, List, Sequence

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["QuantileSketch"]

# Of the highest level; a rank is right to about 1 in so many.
_MOST_VALUES = 2_048
# Lower levels stand for fewer rows and need fewer values.
_SHRINKS_BY = 2 / 3
_LEAST_VALUES = 32


class QuantileSketch:
    """A sample of numbers whose ranks are those of all of them, but for one in a thousand.

    Levels of values, as in KLL sketches (Karnin, Lang, Liberty): a value of level n stands for 2**n
    numbers.  A level that is full is sorted, and every second value goes one level up, from the
    first and from the second in turn, so that errors cancel.  No chance is in it: a partition that
    is measured again has the same sketch.  Up to 2,048 numbers are all kept.

    Plain data; made in a Python worker, merged on the driver.

    Parameters
    ----------
    number : int, default 0
        A sketch with an odd one begins the other way round, so that those of many partitions are
        not all wrong to the same side.
    """

    def __init__(self, number: int = 0) -> None:
        self._levels: List[NDArray[np.floating]] = []
        self._starts: List[int] = []
        self._first_start = number % 2

    def add(self, values: "NDArray[np.floating]") -> None:
        """Take in numbers; none of them NaN or infinite.

        Parameters
        ----------
        values : array of float32 or float64
        """
        if values.size:
            # A copy: Arrow's memory is not to be held, nor written into.
            self._put(0, np.array(values))
            self._compact()

    def merge(self, other: "QuantileSketch") -> None:
        """Take in what another sketch has seen.

        Parameters
        ----------
        other : QuantileSketch
        """
        for level, values in enumerate(other._levels):
            if values.size:
                self._put(level, values)
        self._compact()

    def quantiles(self, shares: Sequence[float]) -> "NDArray[np.float64]":
        """The smallest values that such shares of the numbers do not exceed; empty where none are.

        Parameters
        ----------
        shares : sequence of float
            Between 0 and 1.
        """
        there = [level for level, values in enumerate(self._levels) if values.size]
        if not there:
            return np.zeros(0)
        if there == [0]:
            values = self._levels[0].astype("float64")
            exact: NDArray[np.float64] = np.quantile(values, shares, method="inverted_cdf")
            return exact
        values = np.concatenate([self._levels[level] for level in there]).astype("float64")
        weights = np.concatenate(
            [np.full(self._levels[level].size, 1 << level, "int64") for level in there]
        )
        order = np.argsort(values, kind="stable")
        n_up_to = np.cumsum(weights[order])
        places = np.searchsorted(n_up_to, np.asarray(shares) * n_up_to[-1])
        found: NDArray[np.float64] = values[order][np.minimum(places, values.size - 1)]
        return found

    def _put(self, level: int, values: "NDArray[np.floating]") -> None:
        while len(self._levels) <= level:
            self._levels.append(np.zeros(0, "float32"))
            self._starts.append(self._first_start)
        own = self._levels[level]
        self._levels[level] = np.concatenate([own, values]) if own.size else values

    def _compact(self) -> None:
        level = 0
        while level < len(self._levels):
            values = self._levels[level]
            if values.size > self._room(level):
                values = np.sort(values)
                n_paired = values.size // 2 * 2
                start, self._starts[level] = self._starts[level], 1 - self._starts[level]
                self._levels[level] = values[n_paired:].copy()
                self._put(level + 1, values[start:n_paired:2].copy())
            level += 1

    def _room(self, level: int) -> int:
        below_top = len(self._levels) - 1 - level
        return max(_LEAST_VALUES, int(_MOST_VALUES * _SHRINKS_BY**below_top))
