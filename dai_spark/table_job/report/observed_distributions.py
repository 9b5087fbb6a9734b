"""How the values of each prediction lie, measured while they are written.

`observe` has Spark compute aggregates as the rows pass, on classic and on Connect, so no row is
scored or read a second time.
"""

import json
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from dai_spark.drift.distribution import SHARES, Distribution

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation
    from pyspark.sql.types import StructType

__all__ = [
    "MAX_FIELDS",
    "measured_fields",
    "numbered_rows",
    "observe",
    "observed_expressions",
    "read",
]

# A pipeline of a thousand classes has a thousand predictions; nobody looks at more than a few.
MAX_FIELDS = 20

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
        return F.percentile_approx(values, list(SHARES), _ACCURACY)

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
        found[name[len(_PREFIX) :]] = Distribution.from_quantiles(
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
