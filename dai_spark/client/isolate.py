"""Batches with rows that cannot be scored: cut until these are alone, and all others scored."""

import math
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

import pyarrow as pa

from dai_spark.client.connection_source import TaskConnections
from dai_spark.client.exchange import closing_with_report, exchange
from dai_spark.client.executor import ExecutorContext, current_executor
from dai_spark.client.in_flight import Failure, InFlight, InFlightBatch
from dai_spark.client.pieces import cast_piece
from dai_spark.errors import BadRowsError, ColumnError, SidecarDiedError, SidecarTimeoutError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.nan import nan_causes
from dai_spark.schema.prediction import PredictionShape

__all__ = ["Isolated", "isolate_batches"]

# Into how many pieces a batch is cut that failed.  What fails ends its scorer.  A new fork costs
# about what a small batch does, and halves have the fewest tries.  Where a scorer has to load, few
# failures are wanted, whatever they cost in batches that are scored: three or four for a bad row.
_N_PIECES = {"fork": 2, "spawn": 32}
# Where a batch hung, each try costs seconds and a small batch milliseconds: few tries are wanted.
_N_PIECES_HUNG = 32
# A piece of a batch that hung is given up soon: its share of the batch's limit, four times over,
# and at least this.  That blames no row, since each is tried alone before it is called bad: where
# a busy host made a piece slow, all its rows are scored in smaller ones.
_PIECE_LIMIT_S = 1.0
_PIECE_SHARES = 4
# A single row gets half of its batch's limit, at least this, and so many times what a row of the
# pipeline's own example takes at that moment (a piece as well): a pipeline that is slow to begin a
# batch, or a busy host, hangs nowhere.
_LEAST_LIMIT_S = 5.0
_LEAST_LIMIT_EXAMPLES = 10


@dataclass(frozen=True)
class Isolated:
    """A piece of the input, with a score or an error for every row.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        The input rows, with all their columns.
    first_row : int
        Number of its first row within the partition, from 0.
    prediction : pyarrow.StructArray
        As many rows, in the same order; null for a bad row.
    error : pyarrow.StringArray
        Null for a good row; for a bad one a sentence that says why.
    """

    batch: pa.RecordBatch
    first_row: int
    prediction: pa.StructArray
    error: pa.StringArray


def isolate_batches(
    plan: ScoringPlan,
    batches: Iterable[pa.RecordBatch],
    executor: Optional[ExecutorContext] = None,
    report: Optional[Callable[[ScoringMetrics], None]] = None,
    max_bad_rows: Optional[int] = None,
) -> Iterator[Isolated]:
    """Score batches as `score_batches` does, with rows that cannot be scored set apart.

    A row is bad when, alone in a batch, the pipeline raises on it, its scorer ends or does not
    answer in time; when a value of it cannot be given to the pipeline unchanged; and with
    ``nan="bad"`` when its prediction is NaN or null.  A batch that fails is cut until its bad rows
    are alone, and each try behind a failure has a new scorer: a fork, so that nothing is loaded
    again; with ``start_method="spawn"`` a load, for which larger batches are cut into more pieces,
    so that three or four loads find a bad row.  Good rows have the scores that they have without
    the bad ones, since a pipeline's scores do not depend on the batch.

    Runs in a Python worker, once a task, or in a local process.

    Parameters
    ----------
    plan : ScoringPlan
        With its description.
    batches, executor, report
        See `score_batches`.
    max_bad_rows : int, optional
        With more of them the task fails: each costs many small batches, and time where it hangs.
        By default all rows may be bad.

    Yields
    ------
    Isolated
        The pieces that `score_batches` yields, in the same order.

    Raises
    ------
    BadRowsError
        More than `max_bad_rows`; names the first.
    ColumnError
        On the first batch, when its columns do not fit.
    SidecarError, LicenseError
        What no row can be blamed for: a start that fails, a broken protocol, a sidecar that was
        killed twice in a row.
    """
    isolation = _Isolation(plan, executor or current_executor(), max_bad_rows)
    with closing_with_report(isolation.in_flight, report):
        yield from isolation.run(batches)


class _Part(NamedTuple):
    """The answer to some rows, null for bad ones, and their errors."""

    answer: pa.RecordBatch
    error: pa.StringArray


# Why a piece has no answer; a ColumnError where it could not be sent.
_Cause = Union[Failure, ColumnError]


class _Isolation:
    """The isolating pass over one partition."""

    def __init__(
        self, plan: ScoringPlan, executor: ExecutorContext, max_bad_rows: Optional[int]
    ) -> None:
        self._plan = plan
        self._executor = executor
        self._max_bad_rows = max_bad_rows
        self._shape = PredictionShape.of(plan)
        self._wanted = plan.wanted()
        self._n_bad_rows = 0
        self._first_bad_row = ""
        self._n_kills = 0
        self._n_batch_rows = 0
        self._example_limit_s: Optional[float] = None
        start_method = plan.described.start_method if plan.described else "fork"
        self._n_pieces = _N_PIECES[start_method]
        self.in_flight = InFlight(plan, TaskConnections(plan, executor))

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Isolated]:
        return exchange(
            self._plan,
            batches,
            self._executor,
            self.in_flight,
            receive=self._oldest,
            answer_unsent=self._unsent,
        )

    def _unsent(
        self, batch: pa.RecordBatch, first_row: int, error: Optional[ColumnError]
    ) -> Isolated:
        if error is not None:
            return self._isolated(batch, first_row, error)
        return self._joined(batch, first_row, [self._good(self._shape.nulls(0))])

    def _oldest(self) -> Iterator[Isolated]:
        found = [self._receive(None)]
        if not isinstance(found[0][1], pa.RecordBatch):
            # Its pieces are scored with nothing else under way: one may end the scorer.
            while len(self.in_flight):
                found.append(self._receive(None))
        for sent, answer in found:
            yield self._isolated(sent.batch, sent.first_row, answer)

    def _isolated(
        self, batch: pa.RecordBatch, first_row: int, answer: Union[pa.RecordBatch, _Cause]
    ) -> Isolated:
        limit_s = self._plan.options.batch_timeout_s
        self._n_batch_rows = batch.num_rows
        if isinstance(answer, pa.RecordBatch):
            parts = [self._part(answer, first_row)]
        elif _is_killed(answer):
            parts = self._score(batch, first_row, limit_s)
        else:
            parts = self._cut(batch, first_row, limit_s, answer)
        return self._joined(batch, first_row, parts)

    def _joined(self, batch: pa.RecordBatch, first_row: int, parts: List[_Part]) -> Isolated:
        schema = self._shape.schema
        columns = [
            pa.concat_arrays([part.answer.column(i) for part in parts]) for i in range(len(schema))
        ]
        error = pa.concat_arrays([part.error for part in parts])
        # The bits of a boolean array are laid out as those that tell which rows are not null.
        is_good = error.is_null().buffers()[1] if error.null_count < len(error) else None
        prediction = pa.Array.from_buffers(
            pa.struct(list(schema)), batch.num_rows, [is_good], children=columns
        )
        return Isolated(batch, first_row, prediction, error)

    # -- cutting -------------------------------------------------------------------------------

    def _score(
        self, batch: pa.RecordBatch, first_row: int, limit_s: float, piece_limit_s: float = math.inf
    ) -> List[_Part]:
        answer = self._alone(batch, first_row, min(limit_s, piece_limit_s))
        if isinstance(answer, pa.RecordBatch):
            return [self._part(answer, first_row)]
        return self._cut(batch, first_row, limit_s, answer)

    def _cut(
        self, batch: pa.RecordBatch, first_row: int, limit_s: float, cause: _Cause
    ) -> List[_Part]:
        """Score the pieces of what failed within `limit_s`, or is known to hold a bad row."""
        n_rows = batch.num_rows
        if n_rows == 1:
            return [self._bad(first_row, cause)]
        has_hung = isinstance(cause, SidecarTimeoutError)
        n_pieces = _N_PIECES_HUNG if has_hung else self._n_pieces
        step = -(-n_rows // n_pieces)
        piece_limit_s = math.inf
        if has_hung:
            limit_s = max(limit_s / 2, self._at_least(_LEAST_LIMIT_S))
            if step > 1:
                share_s = self._plan.options.batch_timeout_s * step / self._n_batch_rows
                piece_limit_s = self._at_least(max(_PIECE_LIMIT_S, _PIECE_SHARES * share_s))
        parts: List[_Part] = []
        for offset in range(0, n_rows, step):
            piece, its_first = batch.slice(offset, step), first_row + offset
            is_known = offset + step >= n_rows and not any(_has_bad(part) for part in parts)
            if is_known and piece.num_rows > 1:
                # The bad row is in this one, which need not fail first, nor hang.
                parts += self._cut(piece, its_first, limit_s, cause)
            else:
                its_limit_s = piece_limit_s if piece.num_rows > 1 else math.inf
                parts += self._score(piece, its_first, limit_s, its_limit_s)
        return parts

    def _at_least(self, limit_s: float) -> float:
        """A limit that the pipeline's own example meets ten times, within that of a batch."""
        if self._example_limit_s is None:
            self._example_limit_s = _LEAST_LIMIT_EXAMPLES * self.in_flight.time_example()
        return min(max(limit_s, self._example_limit_s), self._plan.options.batch_timeout_s)

    def _alone(
        self, batch: pa.RecordBatch, first_row: int, limit_s: float
    ) -> Union[pa.RecordBatch, _Cause]:
        cast = cast_piece(
            batch, first_row, self._executor, self._wanted, self._plan.options.on_cast
        )
        if isinstance(cast, ColumnError):
            return cast
        while True:
            self.in_flight.send(cast)
            _, answer = self._receive(limit_s)
            if not _is_killed(answer):
                return answer

    # -- one batch -----------------------------------------------------------------------------

    def _receive(
        self, limit_s: Optional[float]
    ) -> Tuple[InFlightBatch, Union[pa.RecordBatch, Failure]]:
        sent, answer = self.in_flight.receive(limit_s)
        if _is_killed(answer):
            self._n_kills += 1
            if self._n_kills > 1:
                raise answer
        else:
            self._n_kills = 0
        return sent, answer

    def _part(self, answer: pa.RecordBatch, first_row: int) -> _Part:
        causes = nan_causes(answer) if self._plan.options.nan == "bad" else None
        shaped = self._shape.of_answer(answer)
        if causes is None:
            return self._good(shaped)
        error = pa.array(causes, pa.string())
        first = next(i for i, cause in enumerate(causes) if cause is not None)
        self._count(len(error) - error.null_count, first_row + first, causes[first])
        return _Part(shaped, error)

    def _good(self, shaped: pa.RecordBatch) -> _Part:
        return _Part(shaped, pa.nulls(shaped.num_rows, pa.string()))

    def _bad(self, row: int, cause: _Cause) -> _Part:
        text = cause.cause or cause.message
        self._count(1, row, text)
        return _Part(self._shape.nulls(1), pa.array([text], pa.string()))

    def _count(self, n_bad_rows: int, first_row: int, text: str) -> None:
        self._first_bad_row = self._first_bad_row or f"row {first_row}: {text}"
        self._n_bad_rows += n_bad_rows
        if self._max_bad_rows is not None and self._n_bad_rows > self._max_bad_rows:
            raise BadRowsError(
                f"More than {self._max_bad_rows} rows cannot be scored by pipeline "
                f"{self._plan.pipeline.label}; in {self._executor.task} on {self._executor.host} "
                f"the first is {self._first_bad_row}"
            )


def _has_bad(part: _Part) -> bool:
    return bool(part.error.null_count < len(part.error))


def _is_killed(answer: object) -> bool:
    """Whether a scorer ended because its sidecar did, which no row can be blamed for."""
    return isinstance(answer, SidecarDiedError) and not answer.cause
