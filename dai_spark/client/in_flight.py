"""Batches that are under way to a scorer, and the scorer's successor where it retires."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, Optional, Union

import pyarrow as pa

from dai_spark.client.connection import Connection, Retired
from dai_spark.client.connection_source import ConnectionSource
from dai_spark.errors import ScoringError, SidecarDiedError, SidecarTimeoutError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.prediction import check_answer

__all__ = ["Failure", "InFlight", "InFlightBatch"]

# What stands for a batch that was not scored.
Failure = Union[ScoringError, SidecarDiedError, SidecarTimeoutError]


@dataclass(frozen=True)
class InFlightBatch:
    """A batch as it was sent, with the rows it was made from."""

    batch: pa.RecordBatch
    first_row: int
    rows: str
    cast: pa.RecordBatch
    n_misfits: int = 0


class InFlight:
    """The batches that were sent and are not answered yet, oldest first.

    Runs in a Python worker, one for each task, or in a local process.  The sidecar is found or
    started by the first batch.

    Parameters
    ----------
    plan : ScoringPlan
        With its description, which answers are held against.
    source : ConnectionSource
        Where its connections come from.
    """

    def __init__(self, plan: ScoringPlan, source: ConnectionSource) -> None:
        self._plan = plan
        self._source = source
        self._connection: Optional[Connection] = None
        self._sent: Deque[InFlightBatch] = deque()
        self._stuck: Optional[SidecarTimeoutError] = None
        # By the scorer of this connection; its own totals take their place when it leaves in order.
        self._answered = ScoringMetrics()
        self.has_scored = False
        self.metrics = ScoringMetrics()

    def __len__(self) -> int:
        return len(self._sent)

    def send(self, batch: InFlightBatch) -> None:
        """Send a batch; raises what a start of the sidecar raises."""
        connection = self._connected()
        self._sent.append(batch)
        self._send(connection, batch)

    def _connected(self) -> Connection:
        if self._connection is None:
            begun = time.monotonic()
            connection = self._connection = self._source.acquire()
            self.has_scored = True
            self.metrics += ScoringMetrics(starting_s=time.monotonic() - begun)
            if not connection.is_counted:
                connection.is_counted = True
                self.metrics += ScoringMetrics(
                    n_scorers=1,
                    n_loads=int(connection.load_s is not None),
                    load_s=connection.load_s or 0.0,
                )
            for batch in self._sent:
                self._send(connection, batch)
        return self._connection

    def _send(self, connection: Connection, batch: InFlightBatch) -> None:
        try:
            n_bytes = connection.send_batch(batch.cast, batch.first_row)
        except SidecarTimeoutError as error:
            if batch is self._sent[0]:
                raise
            # A scorer takes a batch in while it scores another, unless that one holds Python's
            # own lock all the while, as an endless regular expression does.
            self._stuck = error
        else:
            self.metrics += ScoringMetrics(sent_bytes=n_bytes)

    def receive(
        self, limit_s: Optional[float] = None
    ) -> "tuple[InFlightBatch, Union[pa.RecordBatch, Failure]]":
        """Return the oldest batch with its answer, or with the error that stands for it.

        The error is the oldest batch's own.  Its scorer scores nothing more, whatever the error is:
        a pipeline that has raised or given no valid answer may have stopped halfway through a
        change of its own state.  Later batches, if any are under way, go to a new scorer.

        Parameters
        ----------
        limit_s : float, optional
            By default ``batch_timeout_s``.

        Raises
        ------
        SidecarError
            After which nothing more can be scored here.
        """
        oldest = self._sent[0]
        begun = time.monotonic()
        answer = self._answer(oldest, limit_s)
        self.metrics += ScoringMetrics(waiting_s=time.monotonic() - begun)
        if isinstance(answer, pa.RecordBatch):
            self.metrics += ScoringMetrics(received_bytes=answer.nbytes)
            told, answer = _told(answer), self._checked(oldest, answer)
        if isinstance(answer, pa.RecordBatch):
            self._answered += told
        else:
            n_failures = int(isinstance(answer, ScoringError))
            self.metrics += ScoringMetrics(n_failures=n_failures)
            self._leave(is_clean=False)
        self._sent.popleft()
        return oldest, answer

    def _checked(
        self, sent: InFlightBatch, answer: pa.RecordBatch
    ) -> Union[pa.RecordBatch, ScoringError]:
        described = self._plan.described.output if self._plan.described else None
        try:
            return check_answer(answer, described, sent.batch.num_rows, sent.rows, sent.first_row)
        except ScoringError as error:
            return error

    def _answer(
        self, oldest: InFlightBatch, limit_s: Optional[float]
    ) -> Union[pa.RecordBatch, Failure]:
        while True:
            connection = self._connected()
            if self._stuck is not None:
                return self._stuck
            try:
                return connection.receive_batch(oldest.rows, limit_s)
            except Retired as retired:
                self._count(self._source.totals_of(retired.totals))
                self._leave(is_clean=False)
            except (SidecarDiedError, SidecarTimeoutError) as error:
                return error

    def time_example(self) -> float:
        """Score a row of the pipeline's own example, while nothing is under way; its seconds."""
        assert not self._sent
        while True:
            connection = self._connected()
            begun = time.monotonic()
            try:
                connection.describe()
            except Retired as retired:
                self._count(self._source.totals_of(retired.totals))
                self._leave(is_clean=False)
                continue
            return time.monotonic() - begun

    def finish(self) -> None:
        """Say that no more batches come, and take down what the scorer counted."""
        if self._connection is not None:
            self._count(self._source.finish(self._connection))

    def _count(self, totals: Optional[Dict[str, Any]]) -> None:
        if totals is None:
            return
        self._answered = ScoringMetrics()
        self.metrics += ScoringMetrics(
            n_rows=int(totals["n_rows"]),
            n_batches=int(totals["n_batches"]),
            scoring_s=totals["scoring_s"],
            peak_memory_bytes=int(totals["peak_memory_bytes"]),
        )

    def close(self) -> None:
        """Give the scorer back; harmless when repeated."""
        self._leave(is_clean=not self._sent)

    def _leave(self, is_clean: bool) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._source.release(connection, is_clean)
        self._stuck = None
        self.metrics += self._answered
        self._answered = ScoringMetrics()


def _told(answer: pa.RecordBatch) -> ScoringMetrics:
    told = answer.schema.metadata or {}
    return ScoringMetrics(
        n_rows=answer.num_rows,
        n_batches=1,
        scoring_s=float(told.get(b"scoring_s", 0)),
        peak_memory_bytes=int(told.get(b"peak_memory_bytes", 0)),
    )
