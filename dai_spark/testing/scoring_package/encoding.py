"""From a table's columns to the matrix of numbers that a booster sees.

A feature is plain data, kept in `schema.json`: its `name` as DAI would call it, the `column` it was
made from, the `source` to read (the column itself, or what `history` derives from it), whether a
custom `recipe` transforms it, and for text `values`: one number for each level of the column, then
the one for unseen levels, then the one for missing. Numbers go in as they are: missing stays NaN,
which both boosters know.
"""

from typing import Any, Dict, List, Tuple

import numpy as np
import pandas as pd

_N_FOLDS = 5
_SMOOTHING_ROWS = 50.0


class Levels:
    """The levels of a text column, learnt in training; finds their positions."""

    def __init__(self, levels: List[str]) -> None:
        self.n = len(levels)
        self._index = pd.Index(levels, dtype=object)

    def positions(self, values: Any) -> Any:
        """Return where in a feature's `values` to look: `n` if unseen, `n + 1` if missing."""
        positions = self._index.get_indexer(values)
        positions[positions < 0] = self.n
        positions[pd.isna(values)] = self.n + 1
        return positions


def with_arrays(features: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return the features as `matrix` wants them: their `values` as arrays."""
    return [
        dict(feature, values=np.array(feature["values"])) if "values" in feature else feature
        for feature in features
    ]


def matrix(
    frame: Any, features: List[Dict[str, Any]], levels: Dict[str, Levels], recipe: Any = None
) -> Any:
    """Return a float64 matrix with a row for each row of `frame` and a column for each feature."""
    out = np.empty((len(frame), len(features)), dtype=np.float64, order="C")
    positions: Dict[str, Any] = {}
    for i, feature in enumerate(features):
        source = feature["source"]
        if "values" not in feature:
            values = frame[source].values
            out[:, i] = recipe.transform(values) if "recipe" in feature else values
            continue
        if source not in positions:
            positions[source] = levels[source].positions(frame[source].values)
        out[:, i] = feature["values"][positions[source]]
    return out


def _means(positions: Any, target: Any, n: int, prior: float) -> Any:
    """Smoothed mean of the target at each position; the prior where there is no row."""
    sums = np.bincount(positions, weights=target, minlength=n)
    counts = np.bincount(positions, minlength=n)
    return (sums + _SMOOTHING_ROWS * prior) / (counts + _SMOOTHING_ROWS)


def fit_text(index: int, column: str, values: Any, targets: Any) -> Tuple[List[str], Any, Any]:
    """Learn the features of one text column.

    Returns
    -------
    tuple
        The levels, the features, and their matrix for the training rows, in which the mean of the
        target at a row's level was taken from the other folds, so that no row sees its own target.
    """
    names = sorted(set(values[~pd.isna(values)]))
    n = len(names) + 2
    positions = Levels(names).positions(values)
    share = np.bincount(positions, minlength=n) / float(len(values))
    features = [
        {
            "name": "%d_Freq:%s" % (index, column),
            "column": column,
            "source": column,
            "values": share.tolist(),
        }
    ]
    columns = [share[positions]]
    folds = np.arange(len(values)) % _N_FOLDS
    for k in range(targets.shape[1]):
        target = targets[:, k]
        prior = float(target.mean())
        features.append(
            {
                "name": "%d_CVTE:%s.%d" % (index, column, k),
                "column": column,
                "source": column,
                "values": _means(positions, target, n, prior).tolist(),
            }
        )
        out_of_fold = np.empty(len(values))
        for fold in range(_N_FOLDS):
            others, own = folds != fold, folds == fold
            out_of_fold[own] = _means(positions[others], target[others], n, prior)[positions[own]]
        columns.append(out_of_fold)
    return names, features, np.column_stack(columns)
