"""How the rows of a task lie, measured where their Arrow arrays are, and brought to the driver."""

from dataclasses import dataclass
from typing import Callable

from pyspark.accumulators import AccumulatorParam

from dai_spark.drift.measured_rows import MeasuredRows, WhatToMeasure

__all__ = ["MeasuredRowsAccumulator", "Measuring"]


class MeasuredRowsAccumulator(AccumulatorParam[MeasuredRows]):
    """How Spark adds up what tasks have measured.

    Spark brings the report of a task that has succeeded, sometimes of several attempts at one
    partition; `MeasuredRows.merged` takes the first.
    """

    def zero(self, value: MeasuredRows) -> MeasuredRows:
        """No rows at all."""
        return MeasuredRows()

    def addInPlace(  # noqa: N802 - the name that Spark asks for
        self, value1: MeasuredRows, value2: MeasuredRows
    ) -> MeasuredRows:
        """The rows of both, each partition's once."""
        return value1.merged(value2)


@dataclass(frozen=True)
class Measuring:
    """What tasks are to measure, and whom they tell; travels in the function that they run.

    Attributes
    ----------
    what : WhatToMeasure
    report : callable
        Is given the figures of a partition that was scored to its end.
    """

    what: WhatToMeasure
    report: Callable[[MeasuredRows], None]

    def begin(self) -> MeasuredRows:
        """Begin with this task's partition; called in the task."""
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None, "only a task of Spark measures rows"
        return MeasuredRows.of_partition(self.what, context.partitionId(), context.taskAttemptId())

    def end(self, rows: MeasuredRows) -> None:
        """Report the partition, with no more of it than a table of its size needs.

        Parameters
        ----------
        rows : MeasuredRows
            What `begin` gave, with all rows of the partition.
        """
        rows.sample.thin()
        self.report(rows)
