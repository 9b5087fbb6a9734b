"""The rows that an export brings along: what its example scores."""

from typing import TYPE_CHECKING, Any, Dict, Optional

from dai_spark.pipeline import ScoringPipeline
from dai_spark.table_job.distribution import Distribution

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["distributions_of", "example_rows"]


def example_rows(pipeline: ScoringPipeline) -> "Optional[pd.DataFrame]":
    """The example's rows as a table that can be scored; None where the export has none.

    Runs on the driver, reads names and texts only.  An export declares about fifteen values a
    column (``example.py``, else ``training_data_column_stats.json``), taken from the training data
    column by column: a row of them need not have been a row there.

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


def distributions_of(scores: "pd.DataFrame", max_fields: int) -> Dict[str, Distribution]:
    """Measure the numeric columns of scored rows that are in memory."""
    import pandas as pd

    numeric = [
        name
        for name in scores.columns
        if pd.api.types.is_numeric_dtype(scores[name])
        and not pd.api.types.is_bool_dtype(scores[name])
    ]
    return {
        str(name): Distribution.of(
            [None if v is None or v is pd.NA else float(v) for v in scores[name]]
        )
        for name in numeric[:max_fields]
    }
