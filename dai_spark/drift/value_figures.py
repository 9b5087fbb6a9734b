"""ValueFigures: how the numbers of one column lie, seen batch by batch as Arrow arrays."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

import numpy as np

from dai_spark.drift.distribution import SHARES, Distribution
from dai_spark.drift.quantile_sketch import QuantileSketch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ValueFigures"]


@dataclass
class ValueFigures:
    """Counts, extremes and sum of the numbers of a column, and a sketch of their ranks.

    Filled in a Python worker, merged on the driver.

    Attributes
    ----------
    n : int
        Values that are numbers: not null, not NaN, not infinite.
    n_null, n_nan, n_infinite : int
    minimum, maximum : float or None
        Of the `n`.
    total : float
        Their sum, which may be infinite.
    sketch : QuantileSketch or None
        None where nobody asks for quantiles.
    """

    n: int = 0
    n_null: int = 0
    n_nan: int = 0
    n_infinite: int = 0
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    total: float = 0.0
    sketch: Optional[QuantileSketch] = field(default_factory=QuantileSketch)

    @property
    def n_present(self) -> int:
        """Values that are not null."""
        return self.n + self.n_nan + self.n_infinite

    def add(self, column: "pa.Array") -> None:
        """Take in a batch's values.

        Parameters
        ----------
        column : pyarrow.Array
            Integers or floats.
        """
        # A null becomes NaN.
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind != "f":
            values = values.astype("float64")
        is_finite = np.isfinite(values)
        n = int(np.count_nonzero(is_finite))
        self.n += n
        self.n_null += column.null_count
        if n < values.size:
            n_nan = int(np.count_nonzero(np.isnan(values)))
            self.n_nan += n_nan - column.null_count
            self.n_infinite += values.size - n - n_nan
            values = values[is_finite]
        if not n:
            return
        low, high = float(values.min()), float(values.max())
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)
        with np.errstate(over="ignore"):
            self.total += float(values.sum(dtype="float64"))
        if self.sketch is not None:
            self.sketch.add(values)

    def merge(self, other: "ValueFigures") -> None:
        """Take in what another one has seen, of the same column.

        Parameters
        ----------
        other : ValueFigures
        """
        self.n += other.n
        self.n_null += other.n_null
        self.n_nan += other.n_nan
        self.n_infinite += other.n_infinite
        self.total += other.total
        lows = [one.minimum for one in (self, other) if one.minimum is not None]
        highs = [one.maximum for one in (self, other) if one.maximum is not None]
        self.minimum, self.maximum = min(lows, default=None), max(highs, default=None)
        if self.sketch is not None and other.sketch is not None:
            self.sketch.merge(other.sketch)

    def distribution(self) -> Distribution:
        """What a report says of them."""
        assert self.sketch is not None
        mean = self.total / self.n if self.n else float("nan")
        return Distribution.from_quantiles(
            n=self.n,
            n_null=self.n_null,
            n_nan=self.n_nan,
            n_infinite=self.n_infinite,
            minimum=self.minimum,
            maximum=self.maximum,
            mean=mean if np.isfinite(mean) else None,
            quantiles=self.sketch.quantiles(SHARES),
        )
