"""exchange: pieces go to a scorer ahead of the answers that come back, both in order."""

from contextlib import contextmanager
from typing import Callable, Iterable, Iterator, Optional, TypeVar

import pyarrow as pa

from dai_spark.client.executor import ExecutorContext
from dai_spark.client.in_flight import InFlight, InFlightBatch
from dai_spark.client.pieces import cast_piece, pieces
from dai_spark.errors import ColumnError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.plan import ScoringPlan

__all__ = ["closing_with_report", "exchange"]

# The sidecar reads one batch ahead of the one it scores (see the protocol).
_MOST_IN_FLIGHT = 2
Answer = TypeVar("Answer")


def exchange(
    plan: ScoringPlan,
    batches: Iterable[pa.RecordBatch],
    executor: ExecutorContext,
    in_flight: InFlight,
    *,
    receive: Callable[[], Iterator[Answer]],
    answer_unsent: Callable[[pa.RecordBatch, int, Optional[ColumnError]], Answer],
) -> Iterator[Answer]:
    """Send every piece and yield every answer, in order, with two pieces under way.

    Runs in a Python worker, once a task, or in a local process.

    Parameters
    ----------
    plan : ScoringPlan
    batches : iterable of pyarrow.RecordBatch
    executor : ExecutorContext
    in_flight : InFlight
    receive : callable
        Receives the oldest piece that is under way, and maybe all others, and gives their answers.
    answer_unsent : callable
        The answer of a piece that is not sent, given with its first row's number: it has no rows,
        or a value that cannot be given to the pipeline, as the error says.

    Yields
    ------
    object
        What `receive` and `answer_unsent` give.
    """
    wanted, on_cast = plan.wanted(), plan.options.on_cast
    for batch, first_row in pieces(plan, batches, executor):
        error = None
        # The pipeline is never asked about no rows, which not all versions bear.
        if batch.num_rows:
            cast = cast_piece(batch, first_row, executor, wanted, on_cast)
            if isinstance(cast, InFlightBatch):
                in_flight.metrics += ScoringMetrics(n_misfits=cast.n_misfits)
                in_flight.send(cast)
                if len(in_flight) == _MOST_IN_FLIGHT:
                    yield from receive()
                continue
            error = cast
        while len(in_flight):
            yield from receive()
        yield answer_unsent(batch, first_row, error)
    while len(in_flight):
        yield from receive()
    in_flight.finish()


@contextmanager
def closing_with_report(
    in_flight: InFlight, report: Optional[Callable[[ScoringMetrics], None]]
) -> Iterator[None]:
    """Close what is under way when the context ends, and report what it took.

    The end is also reached when Spark wants no more rows (a limit) and closes the generator that
    holds this context; a worker that is killed closes the socket all the same.
    """
    try:
        yield
    finally:
        in_flight.close()
        if report is not None and in_flight.has_scored:
            report(in_flight.metrics + ScoringMetrics(n_tasks=1))
