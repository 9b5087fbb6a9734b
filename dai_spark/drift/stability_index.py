"""How far a population has moved: the population stability index of two distributions.

The index sums (a - e) * ln(a / e) over bins, where e and a are the shares of the earlier and of the
later rows in a bin; the bins are the tenths of the earlier.  Credit scoring reads it so: below 0.1
nothing has moved; from 0.1 to 0.25 a little, look at it; above 0.25 much (N. Siddiqi, *Credit Risk
Scorecards*, 2006).  Chance alone gives about (bins - 1) * (1/n + 1/m) for n and m rows
(B. Yurdakul, *Statistical Properties of Population Stability Index*, 2018), so few rows have no
index.
"""

from typing import TYPE_CHECKING, Dict, Mapping, Optional

import numpy as np

from dai_spark.drift.distribution import Distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LEAST_ROWS",
    "LITTLE",
    "MUCH",
    "index_of",
    "psi",
    "psi_of_each",
    "reading",
]

LITTLE, MUCH = 0.1, 0.25
# Chance alone makes an index of 0.036 between two samples of so many rows.
LEAST_ROWS = 500

_N_BINS = 10
# Stands for the share of an empty bin, whose logarithm is infinite.
_EMPTY = 1e-4


def psi(earlier: Distribution, later: Distribution) -> Optional[float]:
    """Population stability index of two distributions; None where either has too few rows.

    What is no number (null, NaN, infinite) makes a bin of its own, so a pipeline that begins to
    answer NaN has moved.

    Parameters
    ----------
    earlier, later : Distribution
    """
    if min(earlier.n_rows, later.n_rows) < LEAST_ROWS:
        return None
    tenths = [earlier.quantile(i / _N_BINS) for i in range(1, _N_BINS)] if earlier.n else []
    # A value that many rows have ends several tenths: all but one are empty on both sides, and
    # add nothing.
    edges = np.array(tenths)
    return index_of(*(_shares(side, edges) for side in (earlier, later)))


def index_of(before: "NDArray[np.float64]", after: "NDArray[np.float64]") -> float:
    """The index of two lists of shares, bin by bin.

    Parameters
    ----------
    before, after : array of float
    """
    before, after = np.maximum(before, _EMPTY), np.maximum(after, _EMPTY)
    return float(np.sum((after - before) * np.log(after / before)))


def _shares(of: Distribution, edges: "NDArray[np.float64]") -> "NDArray[np.float64]":
    total = 1.0 if of.n else 0.0
    bins = np.diff(np.concatenate([[0.0], of.share_up_to(edges), [total]])) * (of.n / of.n_rows)
    return np.array([*bins, 1 - of.n / of.n_rows])


def psi_of_each(
    earlier: Mapping[str, Distribution], later: Mapping[str, Distribution]
) -> Dict[str, Optional[float]]:
    """`psi` of each prediction that both have, in the later's order.

    Parameters
    ----------
    earlier, later : mapping of str to Distribution
    """
    return {name: psi(earlier[name], later[name]) for name in later if name in earlier}


def reading(value: Optional[float]) -> str:
    """The usual reading of an index, in a word or two.

    Parameters
    ----------
    value : float or None
        An index as `psi` gives it.
    """
    if value is None:
        return "too few rows"
    return "moved much" if value > MUCH else "moved a little" if value > LITTLE else "stable"
