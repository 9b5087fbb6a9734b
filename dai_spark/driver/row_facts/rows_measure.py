"""RowsMeasure: how the rows of a DataFrame lie, as its tasks have found while they scored them."""

from typing import Any

from dai_spark.client.spark_hooks.measuring import MeasuredRowsAccumulator, Measuring
from dai_spark.drift.measured_rows import MeasuredRows, WhatToMeasure

__all__ = ["RowsMeasure"]


class RowsMeasure:
    """Has tasks measure the rows of one DataFrame, and collects what they report.

    Lives on the driver.  Each row counts once, whatever Spark runs again: see `MeasuredRows`.

    Parameters
    ----------
    spark : SparkSession
        Classic: Spark Connect has no accumulators.
    what : WhatToMeasure

    Attributes
    ----------
    measuring : Measuring
        What the function of the tasks takes along.
    """

    def __init__(self, spark: Any, what: WhatToMeasure) -> None:
        self._sum = spark.sparkContext.accumulator(MeasuredRows(), MeasuredRowsAccumulator())
        self.measuring = Measuring(what, self._sum.add)

    def taken(self) -> MeasuredRows:
        """All that tasks have reported, once an action has run; given once.

        A stream has a DataFrame for each micro-batch, and pyspark keeps all accumulators.
        """
        found: MeasuredRows = self._sum.value
        self._sum.value = MeasuredRows()
        return found
