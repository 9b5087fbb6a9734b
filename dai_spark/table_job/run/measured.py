"""Rows that are scored, counted, and measured before and behind the pipeline, in the one pass.

On classic Spark tasks measure them where they hold the Arrow arrays.  Over Connect, where tasks
have no way to tell the driver, Spark's own expressions measure them as they pass, which takes
several times as long.
"""

import logging
from typing import TYPE_CHECKING, Any, Optional, Protocol

from dai_spark.drift.measured_rows import WhatToMeasure
from dai_spark.driver.row_facts.rows_measure import RowsMeasure
from dai_spark.driver.schema import prediction_type
from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import said_by
from dai_spark.schema.prediction import PredictionShape
from dai_spark.table_job.report.inputs import InputSample, measured_columns
from dai_spark.table_job.report.observed_distributions import measured_fields, observe, read
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.run.write_result import WriteResult

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["MeasuredFrame", "measured_frame", "result_of", "what_to_measure"]

_LOG = logging.getLogger(__name__)


class MeasuredFrame(Protocol):
    """Scored rows that are measured while an action computes them.

    Attributes
    ----------
    frame : DataFrame
        The kept columns and the prediction's struct.
    """

    frame: "DataFrame"

    def result(self) -> Optional[WriteResult]:
        """What was seen, once an action has run; None where Spark has lost it."""


def measured_frame(context: RunContext, rows: "DataFrame") -> MeasuredFrame:
    """Score rows, and measure them on the way.

    Runs on the driver; the next action scores.

    Parameters
    ----------
    context : RunContext
    rows : DataFrame
        Rows of the source.
    """
    kind = _ByExpressions if is_connect(context.spark) else _ByTasks
    return kind(context, rows)


def what_to_measure(context: RunContext, rows: "DataFrame") -> WhatToMeasure:
    """Name the columns that tasks look at.

    Parameters
    ----------
    context : RunContext
    rows : DataFrame
        Rows of the source.
    """
    inputs, exact = measured_columns(rows.schema, *context.columns_to_measure())
    fields = measured_fields(prediction_type(PredictionShape.of(context.plan)))
    return WhatToMeasure(inputs, tuple(exact), tuple(fields))


def result_of(measure: RowsMeasure) -> WriteResult:
    """What tasks have measured, as a result.

    Parameters
    ----------
    measure : RowsMeasure
        Whose rows an action has scored; it is asked once.
    """
    found = measure.taken()
    return WriteResult(
        n_scored=found.n_rows,
        n_written=found.n_rows - found.n_bad,
        n_quarantined=found.n_bad,
        distributions=found.distributions(measure.measuring.what),
        inputs=found.inputs(),
    )


class _ByTasks:
    def __init__(self, context: RunContext, rows: "DataFrame") -> None:
        self._measure = RowsMeasure(context.spark, what_to_measure(context, rows))
        self.frame = context.scored(rows, self._measure)

    def result(self) -> Optional[WriteResult]:
        return result_of(self._measure)


class _ByExpressions:
    def __init__(self, context: RunContext, rows: "DataFrame") -> None:
        from pyspark.sql import Observation
        from pyspark.sql import functions as F

        self._observation = Observation("dai_spark")
        n_rows = F.count(F.lit(1)).alias("n_rows")
        self._inputs = InputSample(rows, *context.columns_to_measure())
        scored = context.scored(self._inputs.frame)
        self.frame = observe(scored, self._observation, context.job.prediction, [n_rows])

    def result(self) -> Optional[WriteResult]:
        # It is lost where a format runs the plan inside a command of its own (Delta, for tables of
        # a catalog): Spark reports the command as the query, and the command has observed nothing.
        try:
            found: Any = self._observation.get
            n_rows = int(found["n_rows"])
        except Exception as error:  # noqa: BLE001 - an assertion in the JVM, or an empty row
            _LOG.info("nothing was observed: %s", said_by(error))
            return None
        return WriteResult(
            n_scored=n_rows,
            n_written=n_rows,
            distributions=read(found),
            inputs=self._inputs.measured(),
        )
