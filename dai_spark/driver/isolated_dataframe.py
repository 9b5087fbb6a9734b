"""isolated_dataframe: a DataFrame scored with its bad rows set apart, each with the reason."""

from typing import TYPE_CHECKING, Callable, Optional, Sequence

from dai_spark.client.udf_bodies import isolating_body
from dai_spark.driver.dataframe import Body, MaybeFiles, mapped_frame
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.row_facts.rows_measure import RowsMeasure
from dai_spark.plan.plan import ScoringPlan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["isolated_dataframe"]


def isolated_dataframe(
    df: "DataFrame",
    plan: ScoringPlan,
    keep: Optional[Sequence[str]],
    prediction: str,
    error: str,
    on_message: Callable[[str], None],
    where: str = "The DataFrame",
    metrics: Optional[MetricsSum] = None,
    max_bad_rows: Optional[int] = None,
    read: str = "spark",
    measure: Optional[RowsMeasure] = None,
    on_reading: Optional[Callable[[str], None]] = None,
) -> "DataFrame":
    """Score a DataFrame by a plan that is described already, with bad rows set apart.

    Runs on the driver.  Good rows get the scores that `scored_frame` gives them.  See
    `isolate_batches` for what makes a row bad, and for what it costs to find it.

    Parameters
    ----------
    df, plan, keep, prediction
        See `scored_frame`.
    error : str
        Name of the text column behind the prediction: null for a good row; for a bad one, whose
        prediction is null, a sentence that says why.
    on_message, where, metrics
        See `scored_frame`.
    max_bad_rows : int, optional
        A task that finds more fails with `BadRowsError`.
    read
        See `mapped_frame`.
    measure : RowsMeasure, optional
        What tasks measure of their rows.
    on_reading
        See `mapped_frame`.

    Raises
    ------
    ColumnError
        Names every missing and every uncastable column at once.
    """
    report = metrics.report if metrics is not None else None
    measuring = measure.measuring if measure is not None else None

    def body(columns: Sequence[str], kept: Sequence[str], files: MaybeFiles) -> Body:
        return isolating_body(
            *(plan, columns, kept, prediction, report, error, max_bad_rows, files, measuring)
        )

    added = {"prediction": prediction, "error": error}
    return mapped_frame(df, plan, keep, added, body, on_message, where, read, on_reading)
