"""Columns of an export's training_data_column_stats.json."""

import json
from typing import Any, Mapping, Optional, Tuple

from dai_spark.artifacts.export.text import json_of
from dai_spark.artifacts.pipeline_columns import UNKNOWN, PipelineColumn

__all__ = ["statistics_columns"]


def statistics_columns(content: bytes, target: Optional[str]) -> Tuple[PipelineColumn, ...]:
    """Read the columns out of the statistics of the training data.

    Parameters
    ----------
    content : bytes
    target : str or None
        The column that is predicted, which is among them.

    Returns
    -------
    tuple of PipelineColumn
        Of type ``"unknown"`` where the statistics do not tell.

    Raises
    ------
    ValueError
        They are no JSON of the form that is known.
    """
    stats = json_of(content)
    if isinstance(stats, str):  # exports exist that hold JSON inside a JSON string
        stats = json.loads(stats)
    if not isinstance(stats, dict):
        raise ValueError("it is no object of columns")
    return tuple(
        PipelineColumn(name, _type(column), _samples(column), limits=_limits(column))
        for name, column in stats.items()
        if name != target and isinstance(column, dict)
    )


def _type(column: Mapping[str, Any]) -> str:
    stats = column.get("stats")
    is_numeric = stats.get("is_numeric") if isinstance(stats, dict) else None
    if isinstance(is_numeric, bool):
        return "float32" if is_numeric else "object"
    told = column.get("data_type")
    if isinstance(told, str) and PipelineColumn("", told).is_known:
        return "float32" if PipelineColumn("", told).is_number else "object"
    return UNKNOWN


def _samples(column: Mapping[str, Any]) -> Tuple[Optional[str], ...]:
    data = column.get("data")
    if not isinstance(data, list):
        return ()
    return tuple(None if value is None else str(value) for value in data)


def _limits(column: Mapping[str, Any]) -> Optional[Tuple[float, float]]:
    stats = column.get("stats")
    if not isinstance(stats, dict):
        return None
    least, most = stats.get("min"), stats.get("max")
    if isinstance(least, bool) or not isinstance(least, (int, float)):
        return None
    if isinstance(most, bool) or not isinstance(most, (int, float)):
        return None
    return (float(least), float(most)) if least <= most else None
