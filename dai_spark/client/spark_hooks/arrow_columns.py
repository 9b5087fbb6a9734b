"""Arrow columns for a pandas UDF: Spark's own conversion to pandas loses what a column held.

It makes floats of integers with nulls, shows old times by the rules of another time zone database,
and fails on years that nanoseconds do not reach and on text that is not UTF-8.
"""

import sys
from contextlib import ExitStack
from typing import Any, Iterator

from dai_spark.plan.spark_versions import PANDAS_CONVERSIONS

__all__ = ["arrow_columns"]


def _column(_serializer: Any, column: Any, *_: Any, **__: Any) -> Any:
    return column


def _columns(batch: Any, *_: Any, **__: Any) -> Any:
    return list(batch.columns)


def arrow_columns(columns: Iterator[Any]) -> Iterator[Any]:
    """What Spark sends to a pandas UDF in iterator form, before it is made a frame.

    Runs in the Python worker, once a task.

    Spark reads and converts a batch when the UDF asks for the next one.  For as long as the next
    batch is asked for, and no longer, its conversion gives the column as it is: a worker also runs
    other functions, of other users.

    Yields
    ------
    pyarrow.Array or pyarrow.ChunkedArray
        Or a frame, of a Spark that converts in another way.
    """
    while True:
        with ExitStack() as stack:
            for module, name, method, is_batch in PANDAS_CONVERSIONS:
                kind: Any = getattr(sys.modules.get(module), name, None)
                own = vars(kind).get(method) if kind is not None else None
                if own is not None:
                    stack.callback(setattr, kind, method, own)
                    setattr(kind, method, staticmethod(_columns) if is_batch else _column)
            try:
                column = next(columns)
            except StopIteration:
                return
        yield column
