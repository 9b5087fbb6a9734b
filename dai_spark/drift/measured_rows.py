"""MeasuredRows: how a table's rows lie before and behind the pipeline, each partition once."""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Dict, Mapping, Optional, Tuple

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.drift.quantile_sketch import QuantileSketch
from dai_spark.drift.row_sample import RowSample
from dai_spark.drift.value_figures import ValueFigures

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MeasuredRows", "WhatToMeasure"]


@dataclass(frozen=True)
class WhatToMeasure:
    """The columns whose values are looked at; travels to the tasks.

    Attributes
    ----------
    inputs : mapping of str to bool
        Columns of the source that a sample is taken of: whether each is of numbers.
    exact : tuple of str
        Those of them whose nulls, minimum and maximum are taken over every row.
    fields : tuple of str
        Predictions, all of numbers.
    """

    inputs: Mapping[str, bool] = field(default_factory=dict)
    exact: Tuple[str, ...] = ()
    fields: Tuple[str, ...] = ()


@dataclass
class MeasuredRows:
    """What tasks have seen of the rows that they scored.

    A task measures its partition and reports when it has scored all of it.  Of a partition that
    several attempts report (a stage that is run again, a speculative copy, a plan that is evaluated
    twice) the first one counts, so each row counts once; what one attempt reports in several parts
    is added up, as where Spark has joined partitions.

    Attributes
    ----------
    sample : RowSample
        Of the source's columns.
    exact, predictions : dict of str to ValueFigures
    n_bad : int
        Rows that have no prediction, since they cannot be scored.
    attempts : dict of int to int
        The attempt that counts, by the partition's number.
    """

    sample: RowSample = field(default_factory=RowSample)
    exact: Dict[str, ValueFigures] = field(default_factory=dict)
    predictions: Dict[str, ValueFigures] = field(default_factory=dict)
    n_bad: int = 0
    attempts: Dict[int, int] = field(default_factory=dict)

    @classmethod
    def of_partition(cls, what: WhatToMeasure, partition: int, attempt: int) -> "MeasuredRows":
        """Measure a partition; `add` takes its rows in their order.

        Runs in a Python worker.

        Parameters
        ----------
        what : WhatToMeasure
        partition : int
        attempt : int
            A number that no other attempt of the application has.
        """
        return cls(
            sample=RowSample(what.inputs),
            exact={name: ValueFigures(sketch=None) for name in what.exact},
            predictions={
                name: ValueFigures(sketch=QuantileSketch(partition)) for name in what.fields
            },
            attempts={partition: attempt},
        )

    def add(
        self,
        batch: "pa.RecordBatch",
        answer: "pa.StructArray",
        error: "Optional[pa.Array]" = None,
    ) -> None:
        """Look at the partition's next rows.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            With the columns that the pipeline reads.
        answer : pyarrow.StructArray
            As many predictions.
        error : pyarrow.StringArray, optional
            Null where a row has a prediction.
        """
        (partition,) = self.attempts
        self.sample.add(batch, partition, self.sample.n_rows)
        for name, figures in self.exact.items():
            column = batch.column(batch.schema.get_field_index(name))
            if self.sample.is_number[name]:
                figures.add(column)
            else:
                figures.n_null += column.null_count
        if error is not None and error.null_count < len(error):
            self.n_bad += len(error) - error.null_count
            answer = answer.filter(error.is_null())
        for name, figures in self.predictions.items():
            figures.add(answer.field(name))

    def merged(self, other: "MeasuredRows") -> "MeasuredRows":
        """With the rows of one more partition, unless they are counted already.

        Parameters
        ----------
        other : MeasuredRows
            Of one partition.
        """
        for partition, attempt in other.attempts.items():
            if self.attempts.get(partition, attempt) != attempt:
                return self
        self.attempts.update(other.attempts)
        self.n_bad += other.n_bad
        self.sample.merge(other.sample)
        for own, others in (
            (self.exact, other.exact),
            (self.predictions, other.predictions),
        ):
            for name, figures in others.items():
                if name in own:
                    own[name].merge(figures)
                else:
                    own[name] = figures
        return self

    @property
    def n_rows(self) -> int:
        """Rows that were given to the pipeline, bad ones too."""
        return self.sample.n_rows

    def inputs(self) -> Dict[str, InputColumn]:
        """How each column of the source lies; empty where there was no row."""
        columns = self.sample.measured()
        for name, figures in self.exact.items():
            if name in columns:
                columns[name] = dataclasses.replace(
                    columns[name],
                    null_share=figures.n_null / self.n_rows,
                    minimum=figures.minimum,
                    maximum=figures.maximum,
                )
        return columns

    def distributions(self, what: WhatToMeasure) -> Dict[str, Distribution]:
        """How each prediction lies, also where there was no row.

        Parameters
        ----------
        what : WhatToMeasure
        """
        return {
            name: self.predictions.get(name, ValueFigures()).distribution() for name in what.fields
        }
