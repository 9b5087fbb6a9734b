"""Which rows of an answer are no scores, where NaN is bad."""

import numpy as np
import pyarrow as pa

from dai_spark.schema.nan import nan_causes


def test_the_first_float_column_that_is_nan_or_null_is_named():
    """NaN and null are told apart; columns that are no floats may be null."""
    nan = float("nan")
    answer = pa.RecordBatch.from_arrays(
        [
            pa.array([1, None, None, 4, 5]),
            pa.array([0.5, nan, None, 0.5, nan], pa.float32()),
            pa.array([0.5, nan, nan, None, 0.5], pa.float64()),
        ],
        names=["n", "a.b", "c"],
    )
    assert nan_causes(answer).tolist() == [
        None,
        "The prediction a.b is NaN.",
        "The prediction a.b is null.",
        "The prediction c is null.",
        "The prediction a.b is NaN.",
    ]


def test_an_answer_without_nan_has_no_causes():
    """Infinite is a number, and no rows are no bad rows."""
    good = pa.array([np.inf, 0.0], pa.float32())
    answer = pa.RecordBatch.from_arrays([good, pa.array([None, "x"])], names=["a", "b"])
    assert nan_causes(answer) is None
    assert nan_causes(answer.slice(0, 0)) is None
