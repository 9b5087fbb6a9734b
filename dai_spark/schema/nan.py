"""Predictions that are NaN or null, where such a row is a bad row (``nan="bad"``)."""

from typing import Any, Optional

import numpy as np
import pyarrow as pa

__all__ = ["nan_causes"]


def nan_causes(answer: pa.RecordBatch) -> Optional[Any]:
    """Why rows of an answer are no scores: their first float column that is NaN or null.

    Returns
    -------
    numpy.ndarray of object, or None
        For each row a sentence, None for a good row; None instead of all where all are good.
    """
    causes: Any = None
    # Backwards, so that of several columns the first one has the last word.
    for i in reversed(range(answer.num_columns)):
        column = answer.column(i)
        if not pa.types.is_floating(column.type):
            continue
        is_nan = np.isnan(column.to_numpy(zero_copy_only=False))
        if not is_nan.any():
            continue
        if causes is None:
            causes = np.full(answer.num_rows, None, dtype=object)
        name = answer.schema.names[i]
        causes[is_nan] = f"The prediction {name} is NaN."
        if column.null_count:
            is_null = column.is_null().to_numpy(zero_copy_only=False)
            causes[is_null] = f"The prediction {name} is null."
    return causes
