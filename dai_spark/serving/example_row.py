"""The row that a model scores before it is ready, and that its documentation shows."""

from typing import Any, Dict, Mapping

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn

__all__ = ["example_row"]


def example_row(columns: Mapping[str, PipelineColumn]) -> pa.Table:
    """One row of the first values that the export's example has in each column.

    Parameters
    ----------
    columns : mapping of str to PipelineColumn

    Returns
    -------
    pyarrow.Table
        float64 where the pipeline wants numbers, else text; null where the example has none.
    """
    found: Dict[str, Any] = {}
    for name, column in columns.items():
        sample = next((text for text in column.samples if text is not None), None)
        if column.is_number:
            found[name] = pa.array([_number(sample)], pa.float64())
        else:
            found[name] = pa.array([sample], pa.string())
    return pa.table(found)


def _number(text: Any) -> Any:
    try:
        return None if text is None else float(text)
    except ValueError:
        return {"True": 1.0, "False": 0.0}.get(text)
