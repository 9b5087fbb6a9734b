"""Pieces: a partition's batches cut into what is scored at once, and cast to what is sent."""

from typing import Iterable, Iterator, Mapping, Tuple, Union

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.client.executor import ExecutorContext
from dai_spark.client.groups import whole_groups
from dai_spark.client.in_flight import InFlightBatch
from dai_spark.errors import ColumnError
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.cast import cast_batch
from dai_spark.schema.columns import check_columns, check_once

__all__ = ["cast_piece", "pieces", "rows_name"]


def pieces(
    plan: ScoringPlan, batches: Iterable[pa.RecordBatch], executor: ExecutorContext
) -> Iterator[Tuple[pa.RecordBatch, int]]:
    """Cut batches into pieces that are scored at once, each with the number of its first row.

    With ``group_by`` a piece is a group.

    Raises
    ------
    ColumnError
        On the first batch, when its columns do not fit.
    """
    checked_batches = _checked_first(plan, batches, executor)
    if plan.options.group_by:
        yield from whole_groups(plan, checked_batches, executor)
        return
    first_row = 0
    for batch in checked_batches:
        step = _piece_rows(plan, batch)
        for offset in range(0, max(batch.num_rows, 1), step):
            piece = batch.slice(offset, step)
            yield piece, first_row
            first_row += piece.num_rows


def _checked_first(
    plan: ScoringPlan, batches: Iterable[pa.RecordBatch], executor: ExecutorContext
) -> Iterator[pa.RecordBatch]:
    for number, batch in enumerate(batches):
        if number == 0:
            types = dict(zip(batch.schema.names, batch.schema.types))
            where = f"The data in {executor.task}"
            check_once(plan.wanted(), batch.schema.names, where)
            check_columns(types, plan.wanted(), where, plan.options.on_cast)
        yield batch


def _piece_rows(plan: ScoringPlan, batch: pa.RecordBatch) -> int:
    most = plan.options.batch_rows or max(batch.num_rows, 1)
    n_bytes = sum(batch.column(name).nbytes for name in plan.wanted())
    if n_bytes > plan.options.batch_bytes:
        most = min(most, batch.num_rows * plan.options.batch_bytes // n_bytes)
    return max(most, 1)


def cast_piece(
    batch: pa.RecordBatch,
    first_row: int,
    executor: ExecutorContext,
    wanted: Mapping[str, PipelineColumn],
    on_cast: str,
) -> Union[InFlightBatch, ColumnError]:
    """A piece as it is sent, or the error that a value of it cannot be given to the pipeline."""
    rows = rows_name(first_row, batch.num_rows, executor)
    try:
        cast = cast_batch(batch, wanted, rows, on_cast, executor.owner.pid)
    except ColumnError as error:
        return error
    return InFlightBatch(batch, first_row, rows, cast.batch, cast.n_misfits)


def rows_name(first_row: int, n_rows: int, executor: ExecutorContext) -> str:
    """What errors call a piece: ``rows 0-9999 of partition 3``."""
    return f"rows {first_row}-{first_row + n_rows - 1} of {executor.task}"
