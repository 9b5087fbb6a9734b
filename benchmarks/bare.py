"""The floor: the same columns through Spark's Python workers and back, with nothing scored.

Functions within functions: what is nested travels by value, so workers need not find this file.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

OUTPUTS = ("late.no", "late.yes")
SCHEMA = "struct<`late.no`: float, `late.yes`: float>"


def bare_frame(frame: DataFrame, keep: Sequence[str], features: Sequence[str]) -> DataFrame:
    """A mapInArrow over the kept columns and the features that answers with zeros."""

    def pass_through(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            zeros = pa.array(np.zeros(batch.num_rows, np.float32))
            nothing = pa.StructArray.from_arrays([zeros] * len(OUTPUTS), list(OUTPUTS))
            yield pa.RecordBatch.from_arrays(
                [*batch.columns[: len(keep)], nothing], [*keep, "prediction"]
            )

    kept = [f"`{name}` {frame.schema[name].dataType.simpleString()}" for name in keep]
    schema = ", ".join([*kept, f"prediction {SCHEMA}"])
    read = list(dict.fromkeys([*keep, *features]))
    return frame.select(*read).mapInArrow(pass_through, schema)


def bare_arrow_udf(features: Sequence[str]) -> Column:
    """An Arrow UDF over a struct of the features that answers with zeros."""

    def pass_through(columns: Iterator[pa.Array]) -> Iterator[pa.Array]:
        for column in columns:
            zeros = pa.array(np.zeros(len(column), np.float32))
            yield pa.StructArray.from_arrays([zeros] * len(OUTPUTS), list(OUTPUTS))

    made = F.arrow_udf(pass_through, SCHEMA).asNondeterministic()
    return made(F.struct(*features))


def bare_pandas_udf(features: Sequence[str]) -> Column:
    """A pandas UDF over a struct of the features that answers with zeros."""

    def pass_through(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            yield pd.DataFrame(dict.fromkeys(OUTPUTS, np.zeros(len(frame), np.float32)))

    made = F.pandas_udf(pass_through, SCHEMA).asNondeterministic()
    return made(F.struct(*features))
