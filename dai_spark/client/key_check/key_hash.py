"""A hash of 64 bits of each row's key, of columns as Arrow: equal keys have equal ones."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["key_hashes"]

# Odd, so that no bit of a part's hash is lost where the next one is put to it.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
# The last steps of SplitMix64, which are steps of pandas' own hash too: no two numbers become one.
_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = np.uint64(31)


def key_hashes(batch: pa.RecordBatch) -> pa.Array:
    """Hash the key of each row; null where a part of it is null.

    Runs in a Python worker, once a batch.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        The key's columns alone, of types that `dai_spark.client.read_files.file_types` lists.

    Returns
    -------
    pyarrow.Int64Array
    """
    is_null = np.zeros(batch.num_rows, bool)
    for column in batch.columns:
        if column.null_count:
            is_null |= column.is_null().to_numpy(zero_copy_only=False)
    if is_null.any():
        batch = batch.filter(pa.array(~is_null))
    hashes = np.zeros(batch.num_rows, np.uint64)
    for column in batch.columns:
        hashes = _mixed(hashes * _FACTOR + _mixed(_bits(column)))
    found = np.zeros(len(is_null), np.int64)
    found[~is_null] = hashes.view(np.int64)
    return pa.array(found, mask=is_null)


def _mixed(bits: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    for shift, factor in _STEPS:
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    mixed: NDArray[np.uint64] = bits ^ (bits >> _LAST_SHIFT)
    return mixed


def _bits(column: pa.Array) -> Any:
    """64 bits of each value, equal where Spark takes the values for equal; there is no null."""
    kind = column.type
    if pa.types.is_floating(kind):
        # NaN is one value, and zero has no sign.
        numbers = column.to_numpy().astype(np.float64) + 0.0
        numbers[np.isnan(numbers)] = np.nan
        return numbers.view(np.uint64)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_date(kind):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif not pa.types.is_integer(kind):
        return _hashed_texts(column)
    return column.to_numpy().astype(np.int64).view(np.uint64)


def _hashed_texts(column: pa.Array) -> Any:
    # A fifth of a second of each worker's start, which keys of numbers are spared.
    from pandas.util import hash_array

    kind = column.type
    if pa.types.is_string(kind):
        # Spark compares bytes, of which not all are UTF-8.
        column = column.cast(pa.binary())
    elif pa.types.is_large_string(kind):
        column = column.cast(pa.large_binary())
    elif pa.types.is_decimal(kind):
        # The scale is the column's, so that equal numbers have one text.
        column = pc.cast(column, pa.string())
    return hash_array(column.to_numpy(zero_copy_only=False), categorize=False)
