"""Distribution: how the values of one prediction lie, measured while they are written.

`observe` has Spark compute aggregates as the rows pass, on classic and on Connect, so no row is
scored or read a second time.  Quantiles rather than bins:
they need no range that is known before, are as fine where values crowd as where they are rare, and
two runs compare by them whatever their ranges were.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import Column, DataFrame, Observation
    from pyspark.sql.types import StructType

__all__ = [
    "MAX_FIELDS",
    "Distribution",
    "measured_fields",
    "numbered_rows",
    "observe",
    "observed_expressions",
    "read",
]

# A pipeline of a thousand classes has a thousand predictions; nobody looks at more than a few.
MAX_FIELDS = 20

# Every hundredth, and the tails, where scores are acted upon.
_SHARES = (0.001, 0.005, *(i / 100 for i in range(1, 100)), 0.995, 0.999)
# Ranks are right to 1 in so many: below what can be seen, and below what moves an index.
_ACCURACY = 1000
_NUMERIC = ("float", "double", "tinyint", "smallint", "int", "bigint")
_PREFIX = "distribution of "
_N_ROWS = "rows of distributions"
_LAST_PLACE = "last place of distributions"
_PLACE = "dai_spark place in partition"
# Quantiles over every row would cost more than all else together.  They are taken over each
# partition's first rows, which are all rows of a small table, and over one row in so many, which
# are enough of a large one; `read` picks.
_FIRST_ROWS = 32_768
_ONE_IN = 8


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
        shares = [share for share in _SHARES if finite.size]
        return cls._from_quantiles(
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
    def _from_quantiles(cls, quantiles: Any, **figures: Any) -> "Distribution":
        low, high = figures["minimum"], figures["maximum"]
        if not figures["n"] or low is None or high is None:
            return cls(**figures)
        # Approximate quantiles need not ascend.
        ascending = np.clip(np.maximum.accumulate(np.asarray(quantiles, "float64")), low, high)
        return cls(
            **figures,
            values=(low, *(float(value) for value in ascending), high),
            # The sample may have caught none of a few numbers among many NaN.
            shares=(0.0, *(_SHARES if ascending.size else ()), 1.0),
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


def measured_fields(schema: "StructType", max_fields: int = MAX_FIELDS) -> List[str]:
    """Names of the predictions that are numbers, the first ones.

    Parameters
    ----------
    schema : StructType
        The fields of a prediction.
    max_fields : int, default 20
    """
    numeric = [f.name for f in schema.fields if f.dataType.simpleString() in _NUMERIC]
    return numeric[:max_fields]


def observed_expressions(
    schema: "StructType",
    parent: Optional[str] = "prediction",
    max_fields: int = MAX_FIELDS,
    *,
    numbered: bool = False,
) -> "List[Column]":
    """Aggregates that measure the numeric predictions, for `DataFrame.agg` and `observe`.

    Runs on the driver.  Each field's figures come back as one JSON text: Spark 3.5 hands an
    observed array to Python as an object of the JVM.

    Parameters
    ----------
    schema : StructType
        The struct column's, or the whole table's where predictions are columns of their own.
    parent : str or None, default "prediction"
        Name of the struct column; None where the fields are columns of the table.
    max_fields : int, default 20
        Only so many are measured, the first ones.
    numbered : bool, default False
        The rows are those of `numbered_rows`, so that not all of a large table are sorted.

    Returns
    -------
    list of Column
        Empty where no prediction is a number; `read` takes what they gave.
    """
    from pyspark.sql import functions as F

    from dai_spark.driver.schema import quoted

    names = measured_fields(schema, max_fields)
    if not names:
        return []
    above = "" if parent is None else f"{quoted(parent)}."
    counts = [F.count(F.lit(1)).alias(_N_ROWS)]
    if numbered:
        counts.append(F.max(_PLACE).alias(_LAST_PLACE))
    figures = [
        _figures(F.col(f"{above}{quoted(name)}"), numbered).alias(f"{_PREFIX}{name}")
        for name in names
    ]
    return [*counts, *figures]


def _figures(column: "Column", numbered: bool) -> "Column":
    from pyspark.sql import functions as F

    value = column.cast("double")
    # To Spark NaN is above infinity, so this is null for both, and for null.
    finite = F.when(F.abs(value) < float("inf"), value)

    def quantiles(values: "Column") -> "Column":
        return F.percentile_approx(values, list(_SHARES), _ACCURACY)

    figures = [
        F.count(value).alias("n_present"),
        F.count(F.when(F.isnan(value), 1)).alias("n_nan"),
        F.count(finite).alias("n"),
        F.min(finite).alias("minimum"),
        F.max(finite).alias("maximum"),
        F.avg(finite).alias("mean"),
    ]
    if numbered:
        first, one_in = F.col(_PLACE) < _FIRST_ROWS, F.col(_PLACE) % _ONE_IN == 0
        figures += [
            quantiles(F.when(first, finite)).alias("of_first_rows"),
            quantiles(F.when(one_in, finite)).alias("of_one_in"),
        ]
    else:
        figures.append(quantiles(finite).alias("of_first_rows"))
    return F.to_json(F.struct(*figures))


def observe(
    frame: "DataFrame",
    observation: "Observation",
    parent: Optional[str] = "prediction",
    others: "Sequence[Column]" = (),
    max_fields: int = MAX_FIELDS,
) -> "DataFrame":
    """Have the numeric predictions of a frame measured when it is written.

    Parameters
    ----------
    frame : DataFrame
        Scored rows.
    observation : Observation
        `read` takes what it got.
    parent : str or None, default "prediction"
        Name of the struct column; None where predictions are columns of the frame.
    others : sequence of Column
        Further aggregates to observe in the same pass, such as a count.
    max_fields : int, default 20
        Only so many are measured, the first ones.

    Returns
    -------
    DataFrame
        The same rows and columns.
    """
    from pyspark.sql.types import StructType

    kind = frame.schema if parent is None else frame.schema[parent].dataType
    assert isinstance(kind, StructType)
    measured = observed_expressions(kind, parent, max_fields, numbered=True)
    if not measured:
        return frame.observe(observation, *others) if others else frame
    return numbered_rows(frame).observe(observation, *measured, *others).drop(_PLACE)


def numbered_rows(frame: "DataFrame") -> "DataFrame":
    """Add the column of each row's place in its partition.

    `DataFrame.observe` takes nothing that is not deterministic, so it comes from below.

    Parameters
    ----------
    frame : DataFrame
    """
    from pyspark.sql import functions as F

    return frame.withColumn(_PLACE, F.monotonically_increasing_id().bitwiseAND((1 << 33) - 1))


def read(row: Mapping[str, Any]) -> Dict[str, Distribution]:
    """Read what was observed: `Observation.get`, which may hold other figures too.

    Parameters
    ----------
    row : mapping of str to object
    """
    found = {}
    last_place = row.get(_LAST_PLACE)
    is_small = last_place is None or last_place < _FIRST_ROWS
    for name, text in row.items():
        if not name.startswith(_PREFIX):
            continue
        figures = json.loads(text)
        n, n_present, n_nan = (figures[key] for key in ("n", "n_present", "n_nan"))
        # to_json leaves out nulls, and writes a number that overflowed as text.
        mean = float(figures.get("mean", "nan"))
        found[name[len(_PREFIX) :]] = Distribution._from_quantiles(
            n=n,
            n_null=row[_N_ROWS] - n_present,
            n_nan=n_nan,
            n_infinite=n_present - n - n_nan,
            minimum=figures.get("minimum"),
            maximum=figures.get("maximum"),
            mean=mean if np.isfinite(mean) else None,
            quantiles=figures.get("of_first_rows" if is_small else "of_one_in", []),
        )
    return found
