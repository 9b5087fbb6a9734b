"""An iterator of record batches to an iterator of answers: what every face scores through."""

from dataclasses import dataclass
from typing import Callable, Generator, Iterable, Iterator, Optional, Tuple, Union

import pyarrow as pa

from dai_spark.client.executor import ExecutorContext, current_executor
from dai_spark.client.groups import whole_groups
from dai_spark.client.in_flight import InFlight, InFlightBatch
from dai_spark.client.lending import Lender, TaskLender
from dai_spark.client.nan import nan_causes
from dai_spark.errors import ColumnError, DaiSparkError, ScoringError, SidecarError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.cast import cast_batch
from dai_spark.schema.columns import check_columns
from dai_spark.schema.prediction import PredictionShape, check_answer

__all__ = ["IN_FLIGHT", "Scored", "checked", "pieces", "rows_name", "score_batches"]

# The sidecar reads one batch ahead of the one it scores (see the protocol).
IN_FLIGHT = 2


@dataclass(frozen=True)
class Scored:
    """One piece of the input with its answer, or with the error that stands for it.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        The input rows, with all their columns.
    first_row : int
        Of the piece within its partition, from 0.
    answer : pyarrow.RecordBatch or None
        As many rows, in the same order, in the prediction's shape; None where `error` is set.
    error : DaiSparkError or None
    """

    batch: pa.RecordBatch
    first_row: int
    answer: Optional[pa.RecordBatch]
    error: Optional[DaiSparkError] = None

    def prediction(self) -> pa.StructArray:
        """The answer as one struct array; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        fields = list(self.answer.schema)
        return pa.StructArray.from_arrays(self.answer.columns, fields=fields)


def score_batches(
    plan: ScoringPlan,
    batches: Iterable[pa.RecordBatch],
    executor: Optional[ExecutorContext] = None,
    report: Optional[Callable[[ScoringMetrics], None]] = None,
    lender: Optional[Lender] = None,
) -> Generator[Scored, None, None]:
    """Score batches in order, with two under way: one is scored while the next travels.

    Runs in a Python worker, once a task, or in a local process.  The sidecar is found or started
    by the first batch that has rows, so an empty partition starts nothing.  Memory holds two
    batches and their answers, whatever the partition's size.

    Parameters
    ----------
    plan : ScoringPlan
        With its description, since an empty batch is answered without the pipeline.
    batches : iterable of pyarrow.RecordBatch
        With the pipeline's columns among theirs, in any order.
    executor : ExecutorContext, optional
        By default found out (`current_executor`).
    report : callable, optional
        Is given the metrics of this task once, at its end.
    lender : Lender, optional
        Where connections come from; by default they are opened for this task alone.

    Yields
    ------
    Scored
        For every batch, in order, one or more pieces of at most ``batch_rows`` rows and about
        ``batch_bytes`` bytes.  A batch that the pipeline cannot score gives an error and the next
        one is scored all the same; with ``nan="bad"`` so does one with a prediction that is NaN.

    Raises
    ------
    ColumnError
        On the first batch, when its columns do not fit.
    SidecarError, LicenseError
        After which nothing more can be scored here.
    """
    executor = executor or current_executor()
    shape, wanted = PredictionShape.of(plan), plan.wanted()
    in_flight = InFlight(lender or TaskLender(plan, executor))
    try:
        for batch, first_row in pieces(plan, batches, executor):
            rows = rows_name(first_row, batch.num_rows, executor)
            answer: Union[pa.RecordBatch, ColumnError]
            if batch.num_rows == 0:
                # The pipeline is never asked about no rows, which not all versions bear.
                answer = shape.nulls(0)
            else:
                try:
                    cast = cast_batch(batch, wanted, rows, plan.options.on_cast)
                except ColumnError as error:
                    answer = error
                else:
                    in_flight.metrics += ScoringMetrics(n_misfits=cast.n_misfits)
                    in_flight.send(
                        InFlightBatch(batch, first_row, rows, cast.batch, cast.n_misfits)
                    )
                    if len(in_flight) == IN_FLIGHT:
                        yield _receive(plan, executor, in_flight, shape)
                    continue
            while len(in_flight):
                yield _receive(plan, executor, in_flight, shape)
            if isinstance(answer, ColumnError):
                yield Scored(batch, first_row, None, answer)
            else:
                yield Scored(batch, first_row, answer)
        while len(in_flight):
            yield _receive(plan, executor, in_flight, shape)
        in_flight.finish()
    finally:
        # Also reached when Spark wants no more rows (a limit) and closes this generator; a worker
        # that is killed closes the socket all the same.
        in_flight.close()
        if report is not None and in_flight.has_scored:
            report(in_flight.metrics + ScoringMetrics(n_tasks=1))


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
            check_columns(types, plan.wanted(), where, plan.options.on_cast)
        yield batch


def _piece_rows(plan: ScoringPlan, batch: pa.RecordBatch) -> int:
    most = plan.options.batch_rows or max(batch.num_rows, 1)
    n_bytes = sum(batch.column(name).nbytes for name in plan.wanted())
    if n_bytes > plan.options.batch_bytes:
        most = min(most, batch.num_rows * plan.options.batch_bytes // n_bytes)
    return max(most, 1)


def _receive(
    plan: ScoringPlan, executor: ExecutorContext, in_flight: InFlight, shape: PredictionShape
) -> Scored:
    sent, answer = in_flight.receive()
    if isinstance(answer, SidecarError):
        raise answer
    if isinstance(answer, pa.RecordBatch):
        answer = checked(plan, sent, answer)
    if isinstance(answer, pa.RecordBatch) and plan.options.nan == "bad":
        answer = _without_nan(plan, executor, sent, answer)
    if isinstance(answer, ScoringError):
        return Scored(sent.batch, sent.first_row, None, answer)
    return Scored(sent.batch, sent.first_row, shape.of_answer(answer))


def checked(
    plan: ScoringPlan, sent: InFlightBatch, answer: pa.RecordBatch
) -> Union[pa.RecordBatch, ScoringError]:
    """An answer in the types that the pipeline described, or the error that it does not fit."""
    described = plan.described.output if plan.described else None
    try:
        return check_answer(answer, described, sent.batch.num_rows, sent.rows)
    except ScoringError as error:
        return error


def _without_nan(
    plan: ScoringPlan, executor: ExecutorContext, sent: InFlightBatch, answer: pa.RecordBatch
) -> Union[pa.RecordBatch, ScoringError]:
    causes = nan_causes(answer)
    if causes is None:
        return answer
    first, cause = next((i, cause) for i, cause in enumerate(causes) if cause is not None)
    return ScoringError(
        f"Pipeline {plan.pipeline.label} has no score for row {sent.first_row + first} of "
        f"{executor.task} on {executor.host}: {cause[:-1]}, and nan='bad' makes that a bad row; "
        "see what is odd in the row's input, or give nan='keep'.",
        cause=cause,
    )


def rows_name(first_row: int, n_rows: int, executor: ExecutorContext) -> str:
    """What errors call a piece: ``rows 0-9999 of partition 3``."""
    return f"rows {first_row}-{first_row + n_rows - 1} of {executor.task}"
