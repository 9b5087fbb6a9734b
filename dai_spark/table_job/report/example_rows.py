"""The rows that an export brings along, and how their predictions lie."""

import logging
from typing import TYPE_CHECKING, Any, Dict, Optional

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.drift.distribution import Distribution
from dai_spark.driver.dataframe import scored_frame
from dai_spark.driver.progress.messages import log_message
from dai_spark.plan.plan import ScoringPlan
from dai_spark.table_job.report.observed_distributions import MAX_FIELDS, measured_fields

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["example_distributions", "example_rows"]

_LOG = logging.getLogger(__name__)


def example_rows(pipeline: ScoringPipeline) -> "Optional[pd.DataFrame]":
    """The example's rows as a table that can be scored; None where the export has none.

    Runs on the driver, reads names and texts only.  An export declares about fifteen values a
    column (``example.py``, else ``training_data_column_stats.json``), taken from the training data
    column by column: a row of them need not have been a row there.

    Parameters
    ----------
    pipeline : ScoringPipeline

    Returns
    -------
    pandas.DataFrame or None
        float64 for numbers, text for all else; missing is NaN or None.
    """
    import pandas as pd

    n_rows = max((len(column.samples) for column in pipeline.columns), default=0)
    if n_rows == 0:
        return None
    found: Dict[str, Any] = {}
    for column in pipeline.columns:
        samples = [*column.samples, *[None] * (n_rows - len(column.samples))]
        texts = pd.Series(samples, dtype="object")
        if column.is_number:
            texts = pd.to_numeric(texts, errors="coerce").astype("float64")
        found[column.name] = texts
    rows: pd.DataFrame = pd.DataFrame(found)
    return rows


def example_distributions(
    spark: Any, pipeline: ScoringPipeline, plan: ScoringPlan, max_fields: int = MAX_FIELDS
) -> Dict[str, Distribution]:
    """Score the example's rows, in one small task, and measure the predictions.

    Runs on the driver.  A comparison in a report and no more: a pipeline that cannot score its own
    example ends no job.

    Parameters
    ----------
    spark : SparkSession
    pipeline : ScoringPipeline
    plan : ScoringPlan
        Made for that pipeline, with its description (`dai_spark.driver.prepare`).
    max_fields : int, default 20
        Only so many predictions are measured, the first ones.

    Returns
    -------
    dict of str to Distribution
        One for each numeric prediction; empty without an example, or where it cannot be scored.
    """
    from pyspark.sql import types as t

    rows = example_rows(pipeline)
    if rows is None:
        return {}
    schema = t.StructType(
        [
            t.StructField(c.name, t.DoubleType() if c.is_number else t.StringType())
            for c in pipeline.columns
        ]
    )
    # pandas' stubs know no None here.
    texts: Any = rows.astype("object")
    plain = texts.where(rows.notna(), None)
    try:
        frame = spark.createDataFrame(list(plain.itertuples(index=False, name=None)), schema)
        scored = scored_frame(frame.coalesce(1), plan, [], "prediction", log_message, "The example")
        answers = [row["prediction"] for row in scored.collect()]
    except Exception as error:  # noqa: BLE001 - whatever an executor raised, as text of Spark's
        _LOG.info("the export's own example could not be scored: %s", error)
        return {}
    kind = scored.schema["prediction"].dataType
    assert isinstance(kind, t.StructType)
    return {
        name: Distribution.of([answer[name] for answer in answers])
        for name in measured_fields(kind, max_fields)
    }
