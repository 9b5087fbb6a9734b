"""Distribution: how the values of one column or prediction lie.

Quantiles rather than bins: they need no range that is known before, are as fine where values crowd
as where they are rare, and two populations compare by them whatever their ranges were.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SHARES", "Distribution"]

# Every hundredth, and the tails, where scores are acted upon.
SHARES = (0.001, 0.005, *(i / 100 for i in range(1, 100)), 0.995, 0.999)


@dataclass(frozen=True)
class Distribution:
    """How the values of one prediction lie.

    Attributes
    ----------
    n : int
        Values that are numbers: not null, not NaN, not infinite.
    n_null, n_nan, n_infinite : int
        The others.
    minimum, maximum, mean : float or None
        Over the `n` numbers; None where there are none.
    values, shares : tuple of float
        The cumulative distribution: the share `shares[i]` of the `n` is at most `values[i]`.  Both
        ascend, from the minimum and 0 to the maximum and 1; a value that many rows have stands
        several times.  Empty where `n` is 0.
    """

    n: int
    n_null: int = 0
    n_nan: int = 0
    n_infinite: int = 0
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    mean: Optional[float] = None
    values: Tuple[float, ...] = ()
    shares: Tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Optional[float]]) -> "Distribution":
        """Measure values that are in memory: the few rows of an export's example.

        Parameters
        ----------
        values : sequence of float or None
        """
        present = np.array([value for value in values if value is not None], dtype="float64")
        finite = present[np.isfinite(present)]
        n_nan = int(np.isnan(present).sum())
        shares = [share for share in SHARES if finite.size]
        return cls.from_quantiles(
            n=int(finite.size),
            n_null=len(values) - present.size,
            n_nan=n_nan,
            n_infinite=int(present.size - finite.size - n_nan),
            minimum=float(finite.min()) if finite.size else None,
            maximum=float(finite.max()) if finite.size else None,
            mean=_mean(finite) if finite.size else None,
            # As percentile_approx of Spark: the smallest value that such a share does not exceed.
            quantiles=np.quantile(finite, shares, method="inverted_cdf") if shares else [],
        )

    @classmethod
    def from_quantiles(cls, quantiles: Any, **figures: Any) -> "Distribution":
        """One whose quantiles somebody else has taken.

        Parameters
        ----------
        quantiles : sequence of float
            At `SHARES`; approximate ones need not ascend.
        **figures
            The other attributes, but `shares`.
        """
        low, high = figures["minimum"], figures["maximum"]
        if not figures["n"] or low is None or high is None:
            return cls(**figures)
        ascending = np.clip(np.maximum.accumulate(np.asarray(quantiles, "float64")), low, high)
        return cls(
            **figures,
            values=(low, *(float(value) for value in ascending), high),
            # The sample may have caught none of a few numbers among many NaN.
            shares=(0.0, *(SHARES if ascending.size else ()), 1.0),
        )

    @property
    def n_rows(self) -> int:
        """All rows, with and without a number."""
        return self.n + self.n_null + self.n_nan + self.n_infinite

    def share_up_to(self, places: Any) -> "NDArray[np.float64]":
        """Share of the `n` values that are at most each of the places, between 0 and 1.

        Between two known values it is taken to grow evenly.  All 0 where `n` is 0.

        Parameters
        ----------
        places : float or sequence of float
        """
        at = np.atleast_1d(np.asarray(places, "float64"))
        if not self.values:
            return np.zeros(at.shape)
        # Halved, since the difference of two large numbers may overflow.
        values, shares, at = np.array(self.values) / 2, np.array(self.shares), at / 2
        n_below = np.searchsorted(values, at, side="right")
        left = np.clip(n_below - 1, 0, values.size - 1)
        right = np.clip(n_below, 0, values.size - 1)
        width = values[right] - values[left]
        way = np.divide(at - values[left], width, out=np.zeros(at.shape), where=width > 0)
        between = shares[left] + way * (shares[right] - shares[left])
        return np.where(n_below == 0, 0.0, np.where(n_below == values.size, 1.0, between))

    def quantile(self, share: float) -> float:
        """The value that so large a share of the `n` is at most; NaN where `n` is 0.

        Parameters
        ----------
        share : float
            Between 0 and 1.
        """
        if not self.values:
            return float("nan")
        return self.values[min(int(np.searchsorted(self.shares, share)), len(self.values) - 1)]

    def histogram(
        self, edges: "Union[Sequence[float], NDArray[np.float64]]"
    ) -> "NDArray[np.float64]":
        """Share of the `n` values in each bin (over its left edge, up to its right one).

        The first bin takes what is below it, and the last what is above.

        Parameters
        ----------
        edges : sequence of float
            Ascending, one more than there are bins.
        """
        inner = self.share_up_to(edges[1:-1]) if len(edges) > 2 else np.zeros(0)
        total = 1.0 if self.n else 0.0
        return np.diff(np.concatenate([[0.0], inner, [total]]))

    def to_json(self) -> Dict[str, Any]:
        """Plain data for `json`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Distribution":
        """Read what `to_json` gave, also after it was text; what newer versions add is ignored.

        Parameters
        ----------
        data : mapping of str to object
        """
        known = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data}
        for name in ("values", "shares"):
            known[name] = tuple(float(value) for value in known.get(name, ()))
        return cls(**known)


def _mean(finite: "NDArray[np.float64]") -> float:
    # The sum of large values may overflow, and rounding may carry a mean outside the values.
    mean = 2 * float((finite / 2 / finite.size).sum())
    return min(max(mean, float(np.min(finite))), float(np.max(finite)))
