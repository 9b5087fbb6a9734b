"""An iterator of record batches to an iterator of answers: what every face scores through."""

from dataclasses import dataclass
from typing import Callable, Generator, Iterable, Iterator, Optional, Union

import pyarrow as pa

from dai_spark.client.connection_source import ConnectionSource, TaskConnections
from dai_spark.client.exchange import closing_with_report, exchange
from dai_spark.client.executor import ExecutorContext, current_executor
from dai_spark.client.in_flight import InFlight, InFlightBatch
from dai_spark.errors import ColumnError, DaiSparkError, ScoringError, SidecarError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.nan import nan_causes
from dai_spark.schema.prediction import PredictionShape

__all__ = ["Scored", "score_batches"]


@dataclass(frozen=True)
class Scored:
    """One piece of the input with its answer, or with the error that stands for it.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        The input rows, with all their columns.
    first_row : int
        Number of its first row within the partition, from 0.
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
    source: Optional[ConnectionSource] = None,
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
    source : ConnectionSource, optional
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
    shape = PredictionShape.of(plan)
    in_flight = InFlight(plan, source or TaskConnections(plan, executor))

    def receive() -> Iterator[Scored]:
        yield _receive(plan, executor, in_flight, shape)

    def answer_unsent(
        batch: pa.RecordBatch, first_row: int, error: Optional[ColumnError]
    ) -> Scored:
        return Scored(batch, first_row, None if error else shape.nulls(0), error)

    with closing_with_report(in_flight, report):
        yield from exchange(
            plan, batches, executor, in_flight, receive=receive, answer_unsent=answer_unsent
        )


def _receive(
    plan: ScoringPlan, executor: ExecutorContext, in_flight: InFlight, shape: PredictionShape
) -> Scored:
    sent, answer = in_flight.receive()
    if isinstance(answer, SidecarError):
        raise answer
    if isinstance(answer, pa.RecordBatch) and plan.options.nan == "bad":
        answer = _without_nan(plan, executor, sent, answer)
    if isinstance(answer, ScoringError):
        return Scored(sent.batch, sent.first_row, None, answer)
    return Scored(sent.batch, sent.first_row, shape.of_answer(answer))


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
