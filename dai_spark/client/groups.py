"""Groups of rows that are scored whole: a partition's batches cut where a group ends."""

from typing import Iterable, Iterator, List, Sequence, Tuple

import numpy as np
import pyarrow as pa

from dai_spark.client.executor import ExecutorContext
from dai_spark.errors import ColumnError
from dai_spark.plan.plan import ScoringPlan

__all__ = ["whole_groups"]

# Offsets of Arrow's texts have 32 bits, with a sign.
_MOST_COLUMN_BYTES = (1 << 31) - 1


def whole_groups(
    plan: ScoringPlan, batches: Iterable[pa.RecordBatch], executor: ExecutorContext
) -> Iterator[Tuple[pa.RecordBatch, int]]:
    """Join and cut a partition's batches to one batch for each group.

    Runs in a Python worker.  Memory holds one group and one of Spark's batches.

    Parameters
    ----------
    plan : ScoringPlan
        With ``group_by`` in its options.
    batches : iterable of pyarrow.RecordBatch
        Sorted so that a group's rows follow each other; null is a group as any value is.
    executor : ExecutorContext

    Yields
    ------
    (pyarrow.RecordBatch, int)
        A group's rows in their order, and the number of the first within the partition.  A
        partition without rows gives its empty batch.

    Raises
    ------
    ColumnError
        A group of more than ``max_group_bytes``, or with more text in a kept column than a record
        batch holds; names it.
    """
    names, limit_bytes = plan.options.group_by, plan.options.max_group_bytes
    group: List[pa.RecordBatch] = []
    first_row = n_bytes = 0
    for batch in batches:
        if batch.num_rows == 0:
            if not group and first_row == 0:
                yield batch, 0
            continue
        goes_on = bool(group) and _same_group(group[-1], batch, names)
        starts = _starts(batch, names)
        for start, end in zip(starts, [*starts[1:], batch.num_rows]):
            part = batch.slice(start, end - start)
            if group and not (start == 0 and goes_on):
                whole = _whole(group, plan, executor)
                yield whole, first_row
                first_row += whole.num_rows
                group, n_bytes = [], 0
            group.append(part)
            n_bytes += sum(part.column(name).nbytes for name in plan.wanted())
            if n_bytes > limit_bytes:
                raise _too_large(plan, part, executor)
    if group:
        yield _whole(group, plan, executor), first_row


def _starts(batch: pa.RecordBatch, names: Sequence[str]) -> List[int]:
    """Rows that are of another group than the one before them; the first always."""
    changes = np.zeros(batch.num_rows - 1, dtype=bool)
    for name in names:
        codes = _codes(batch.column(batch.schema.get_field_index(name)))
        changes |= codes[1:] != codes[:-1]
    return [0, *(int(i) + 1 for i in np.flatnonzero(changes))]


def _codes(column: pa.Array) -> "np.ndarray[Tuple[int], np.dtype[np.int64]]":
    # In a dictionary NaN is equal to itself, as it is where Spark groups.
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.int64)


def _same_group(before: pa.RecordBatch, behind: pa.RecordBatch, names: Sequence[str]) -> bool:
    pair = _joined([before.slice(before.num_rows - 1), behind.slice(0, 1)])
    return len(_starts(pair, names)) == 1


def _joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    # One batch, or more where a column of text holds more than its 32-bit offsets reach.
    (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return whole


def _whole(
    parts: Sequence[pa.RecordBatch], plan: ScoringPlan, executor: ExecutorContext
) -> pa.RecordBatch:
    for i, field in enumerate(parts[0].schema):
        # Kept columns are not among those that max_group_bytes counts.
        n_bytes = sum(part.column(i).nbytes for part in parts)
        if n_bytes >= _MOST_COLUMN_BYTES and (
            pa.types.is_string(field.type) or pa.types.is_binary(field.type)
        ):
            raise ColumnError(
                f"The group {_named(plan, parts[0])} in {executor.task} on {executor.host} has "
                f"{n_bytes:,} bytes in column {field.name}, and a record batch holds "
                f"{_MOST_COLUMN_BYTES:,} of a text; keep fewer columns, or group by more."
            )
    return _joined(parts)


def _named(plan: ScoringPlan, rows: pa.RecordBatch) -> str:
    return ", ".join(
        f"{name}={_shown(rows.column(rows.schema.get_field_index(name))[0])}"
        for name in plan.options.group_by
    )


def _shown(value: pa.Scalar) -> str:
    try:
        return repr(value.as_py())
    except UnicodeDecodeError:
        # Spark's texts need not be UTF-8.
        return repr(value.as_buffer().to_pybytes().decode("utf-8", "backslashreplace"))


def _too_large(plan: ScoringPlan, rows: pa.RecordBatch, executor: ExecutorContext) -> ColumnError:
    return ColumnError(
        f"The group {_named(plan, rows)} in {executor.task} on {executor.host} has more than "
        f"{plan.options.max_group_bytes:,} bytes, and a group is scored at once; leave out the "
        "rows of its past that the pipeline does not look at, group by more columns, or raise "
        "max_group_bytes where executors have the memory."
    )
