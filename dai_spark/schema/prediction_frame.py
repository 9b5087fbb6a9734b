"""A prediction as a pandas frame, with its integers as they are."""

from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["prediction_frame"]


def prediction_frame(
    answer: Union[pa.RecordBatch, pa.Table], use_threads: bool = True
) -> "pd.DataFrame":
    """Return a prediction as a frame.

    Integers among which one is null are pandas' nullable ones, where pyarrow would make floats of
    them, and another number of each that has more than 53 bits.

    Parameters
    ----------
    answer : pyarrow.RecordBatch or pyarrow.Table
    use_threads : bool, default True
        See `pyarrow.Table.to_pandas`.
    """
    import pandas

    frame: pandas.DataFrame = answer.to_pandas(use_threads=use_threads)
    for field, column in zip(answer.schema, answer.columns):
        if pa.types.is_integer(field.type) and column.null_count:
            kind: Any = f"Int{field.type.bit_width}"
            frame[field.name] = pandas.array(column.to_pylist(), dtype=kind)
    return frame
