"""Arrow columns for a pandas UDF: Spark's own conversion to pandas loses what a column held.

It makes floats of integers with nulls, shows old times by the rules of another time zone database,
and fails on years that nanoseconds do not reach and on text that is not UTF-8.
"""

import sys
from typing import Any, Iterator

__all__ = ["arrow_columns"]


def arrow_columns(columns: Iterator[Any]) -> Iterator[Any]:
    """What Spark sends to a pandas UDF in iterator form, before it is made a frame.

    Runs in the Python worker, once a task.

    Spark's serializer reads a batch when the UDF asks for the next one, and gives each column to
    ``arrow_to_pandas`` (Spark 3.5 to 4.1).  For as long as the next batch is asked for, and no
    longer, that returns the column as it is: a worker also runs other functions, of other users.

    Yields
    ------
    pyarrow.ChunkedArray
        Or a frame, of a Spark that converts in another way.
    """
    serializers = sys.modules.get("pyspark.sql.pandas.serializers")
    kind: Any = getattr(serializers, "ArrowStreamPandasUDFSerializer", None)
    own = vars(kind).get("arrow_to_pandas") if kind is not None else None
    while True:
        if own is not None:
            kind.arrow_to_pandas = _as_it_is
        try:
            column = next(columns)
        except StopIteration:
            return
        finally:
            if own is not None:
                kind.arrow_to_pandas = own
        yield column


def _as_it_is(_serializer: Any, column: Any, *_: Any, **__: Any) -> Any:
    return column
