"""InputColumn: how one column that a pipeline reads lies, and how far it has moved."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.stability_index import LEAST_ROWS, index_of, psi

__all__ = ["MOST_CHARS", "InputColumn", "measured_column", "psi_of_inputs"]

# Rarer values say nothing of a population, and may tell of a person.
_LEAST_SHARE = 0.01
_MOST_CATEGORIES = 20
# Of a text that is counted.
MOST_CHARS = 64


@dataclass(frozen=True)
class InputColumn:
    """How one column lies.

    Attributes
    ----------
    n_rows : int
    null_share : float
        Between 0 and 1; NaN of a number is no null.
    numbers : Distribution or None
        Of a column of numbers, over the rows that were looked at.
    categories : mapping of str to float
        Of a column of texts: the share of each value that a hundredth of the rows have.
    minimum, maximum : float or None
        Over every row, where a contract asks for them.
    """

    n_rows: int
    null_share: float
    numbers: Optional[Distribution] = None
    categories: Mapping[str, float] = field(default_factory=dict)
    minimum: Optional[float] = None
    maximum: Optional[float] = None

    def to_json(self) -> Dict[str, Any]:
        """Plain data for `json`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "InputColumn":
        """Read what `to_json` gave; what newer versions add is ignored.

        Parameters
        ----------
        data : mapping of str to object
        """
        known = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data}
        if known.get("numbers") is not None:
            known["numbers"] = Distribution.from_json(known["numbers"])
        return cls(**known)

    def psi(self, earlier: "InputColumn") -> Optional[float]:
        """Population stability index against an earlier run; None where too few rows tell.

        Parameters
        ----------
        earlier : InputColumn
        """
        if self.numbers is not None and earlier.numbers is not None:
            return psi(earlier.numbers, self.numbers)
        if min(self.n_rows, earlier.n_rows) < LEAST_ROWS or self.numbers or earlier.numbers:
            return None
        names = [*earlier.categories, *(n for n in self.categories if n not in earlier.categories)]
        before, after = ([one.categories.get(n, 0.0) for n in names] for one in (earlier, self))
        return index_of(
            *(
                np.array([*shares, one.null_share, max(0.0, 1 - one.null_share - sum(shares))])
                for shares, one in ((before, earlier), (after, self))
            )
        )


def psi_of_inputs(
    earlier: Mapping[str, InputColumn], later: Mapping[str, InputColumn]
) -> Dict[str, Optional[float]]:
    """`InputColumn.psi` of each column that both have, in the later's order.

    Parameters
    ----------
    earlier, later : mapping of str to InputColumn
    """
    return {name: later[name].psi(earlier[name]) for name in later if name in earlier}


def measured_column(values: List[Any], is_number: bool, n_rows: int) -> InputColumn:
    """How a column lies, by a sample of its values.

    Parameters
    ----------
    values : list
        None where one is missing; of numbers also their texts.
    is_number : bool
    n_rows : int
        That the sample stands for.
    """
    n_sampled = max(len(values), 1)
    null_share = values.count(None) / n_sampled
    if is_number:
        # to_json writes NaN and infinities as texts.
        numbers = [None if value is None else float(value) for value in values]
        return InputColumn(n_rows, null_share, Distribution.of(numbers))
    often = Counter(str(value) for value in values if value is not None).most_common()
    shares = {value: n / n_sampled for value, n in often[:_MOST_CATEGORIES]}
    kept = {value: share for value, share in shares.items() if share >= _LEAST_SHARE}
    return InputColumn(n_rows, null_share, categories=kept)
