"""inputs: how the columns that a pipeline reads lie, seen in the pass that scores them.

Aggregates over twenty columns of every row would cost as much as a light model, so a few thousand
rows are taken out and looked at on the driver; one condition a row is what that costs.  How many
rows will come is not known while they pass: a row is taken by a hash of its place, the more easily
the earlier it comes, and at the end those stay that any place would have been taken by.  So one row
of the table is as likely as another, and no order of the rows, such as a period, can mislead.
What a contract asks of a column is counted over every row.
"""

import dataclasses
import json
from typing import TYPE_CHECKING, Dict, List, Sequence, Tuple

from dai_spark.drift.input_column import MOST_CHARS, InputColumn, measured_column
from dai_spark.drift.row_sample import MOST_ROWS, PLACE_BITS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructType

__all__ = ["MAX_COLUMNS", "InputSample", "measured_columns"]

MAX_COLUMNS = 20
_ID = "dai_spark place in table"
# A hash has one row in 2**n whose lowest bit that is set is the n-th or a higher one.
_HASH_BITS = 40
_NUMERIC = ("float", "double", "tinyint", "smallint", "int", "bigint")
_TEXT = ("string", "boolean")


class InputSample:
    """Rows of a source whose columns are measured as they pass.

    Lives on the driver.

    Parameters
    ----------
    rows : DataFrame
    columns : sequence of str
        Those that the pipeline reads; numbers, texts and truth values of them are measured, the
        first `MAX_COLUMNS`.
    exact : sequence of str
        Columns whose nulls, minimum and maximum are taken over every row.

    Attributes
    ----------
    frame : DataFrame
        The same rows and columns; `measured` knows more once an action has run.
    """

    def __init__(
        self, rows: "DataFrame", columns: Sequence[str], exact: Sequence[str] = ()
    ) -> None:
        from pyspark.sql import Observation
        from pyspark.sql import functions as F

        self._is_number, self._exact = measured_columns(rows.schema, columns, exact)
        self._names = list(self._is_number)
        self._observation = Observation("dai_spark inputs")
        self.frame = rows
        if not self._names:
            return
        sampled = [
            _plain(name, self._is_number[name]).alias(f"c{i}") for i, name in enumerate(self._names)
        ]
        taken = F.when(
            _scaled_place() < MOST_ROWS * _rarity(), F.struct(_rarity().alias("n"), *sampled)
        )
        counted = [_counted(name, self._is_number[name]) for name in self._exact]
        self.frame = (
            rows.withColumn(_ID, F.monotonically_increasing_id())
            .observe(
                self._observation,
                F.count(F.lit(1)).alias("n_rows"),
                F.max(_scaled_place()).alias("last"),
                F.to_json(F.collect_list(taken)).alias("sample"),
                *[text.alias(f"exact {i}") for i, text in enumerate(counted)],
            )
            .drop(_ID)
        )

    def measured(self) -> Dict[str, InputColumn]:
        """What was seen, once an action has run; empty where Spark has lost it."""
        if not self._names:
            return {}
        try:
            found = self._observation.get
            n_rows, rows = int(found["n_rows"]), json.loads(found["sample"])
            last = int(found["last"] or 0)
        except Exception:  # noqa: BLE001 - an assertion in the JVM, or an empty row
            return {}
        if not n_rows:
            return {}
        one_in = 1
        while last >= MOST_ROWS * one_in:
            one_in *= 2
        rows = [row for row in rows if row["n"] >= one_in]
        columns = {}
        for i, name in enumerate(self._names):
            values = [row.get(f"c{i}") for row in rows]
            columns[name] = measured_column(values, self._is_number[name], n_rows)
        for i, name in enumerate(self._exact):
            told = json.loads(found[f"exact {i}"])
            columns[name] = dataclasses.replace(
                columns[name],
                null_share=1 - told["n_present"] / n_rows,
                minimum=told.get("minimum"),
                maximum=told.get("maximum"),
            )
        return columns


def measured_columns(
    schema: "StructType", columns: Sequence[str], exact: Sequence[str] = ()
) -> Tuple[Dict[str, bool], List[str]]:
    """Whether each column that is measured is of numbers, and those that every row is asked of.

    Parameters
    ----------
    schema : StructType
        Of the source.
    columns, exact : sequence of str
        See `InputSample`.
    """
    kinds = {f.name: f.dataType.simpleString() for f in schema.fields}
    there = [name for name in exact if name in kinds]
    known = [n for n in columns if kinds.get(n) in (*_NUMERIC, *_TEXT)]
    names = list(dict.fromkeys([*there, *known]))[: MAX_COLUMNS + len(there)]
    return {name: kinds[name] in _NUMERIC for name in names}, there


def _scaled_place() -> "Column":
    """A row's place in its partition, the larger the later the partition.

    Spark says nowhere how many partitions there are; so the first gives most rows, the n-th an n-th
    of that, and all together few times as many.
    """
    from pyspark.sql import functions as F

    place = F.col(_ID).bitwiseAND((1 << PLACE_BITS) - 1)
    return place * (F.shiftright(F.col(_ID), PLACE_BITS) + 1)


def _rarity() -> "Column":
    """One row in so many is at least so rare: the lowest bit of a hash that is set."""
    from pyspark.sql import functions as F

    top = 1 << _HASH_BITS
    digits = F.xxhash64(F.col(_ID)).bitwiseAND(top - 1).bitwiseOR(top)
    return digits.bitwiseAND(-digits)


def _plain(name: str, is_number: bool) -> "Column":
    from pyspark.sql import functions as F

    from dai_spark.driver.schema import quoted

    column = F.col(quoted(name))
    return column.cast("double") if is_number else F.substring(column.cast("string"), 1, MOST_CHARS)


def _counted(name: str, is_number: bool) -> "Column":
    from pyspark.sql import functions as F

    from dai_spark.driver.schema import quoted

    column = F.col(quoted(name))
    figures = [F.count(column).alias("n_present")]
    if is_number:
        value = column.cast("double")
        finite = F.when(F.abs(value) < float("inf"), value)
        figures += [F.min(finite).alias("minimum"), F.max(finite).alias("maximum")]
    return F.to_json(F.struct(*figures))
