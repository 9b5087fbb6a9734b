"""Merger: calls that wait at the same time go to the pipeline as one `score_batch`.

A batch of 128 rows costs a pipeline what one row costs, so what waits for a scorer is merged when
one is free, and a call that comes while one is free goes at once.  Where the last batch had several
clients, these come back one by one with their next calls, so the next batch waits a tenth of the
time that a batch takes; a client that is alone never waits.  Rows, order and options are what
each call gave: the answer is cut by rows.  A batch that fails is halved and scored again, until the
calls that fail alone are known: a bad row fails its own call and no other.

All of it runs in one event loop, so nothing is locked.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Deque, Hashable, List, Optional, Sequence, Set

import pyarrow as pa

from dai_spark.errors import (
    ColumnError,
    DeadlineError,
    ScorerBusyError,
    ScorerClosedError,
    ScoringError,
    SidecarDiedError,
    SidecarTimeoutError,
)
from dai_spark.plan.options import ScoringOptions
from dai_spark.serving.score_call import ScoreCall

__all__ = ["Merger", "MergerCounts"]

# Of what may be one row's fault, or a scorer's that was killed; all else fails every call alike.
_MAY_BE_ONES = (ScoringError, SidecarDiedError, SidecarTimeoutError, ColumnError)
# What a batch may wait for more calls, as a share of the time that the last one took, and at most.
_LINGER_SHARE = 0.1
_MOST_LINGER_S = 0.005
# How long a scorer may go on when no client waits for it any more.
_PATIENCE_S = 10.0
Score = Callable[[pa.Table, ScoringOptions, Optional[float]], Awaitable[pa.Table]]


@dataclass
class MergerCounts:
    """What a merger has done since it was made.  Adding two gives the counts of both.

    Attributes
    ----------
    n_batches : int
    n_merged_calls : int
        Calls that were scored with others.
    n_scored_again : int
        Calls whose batch had failed.
    n_dropped : int
        Calls whose client had gone before they were scored.
    n_died : int
        Scorers that ended while a batch was with them.
    scoring_s : float
    queued_s : float
        That calls waited for a scorer, summed over calls.
    """

    n_batches: int = 0
    n_merged_calls: int = 0
    n_scored_again: int = 0
    n_dropped: int = 0
    n_died: int = 0
    scoring_s: float = 0.0
    queued_s: float = 0.0

    def __add__(self, other: "MergerCounts") -> "MergerCounts":
        ours, theirs = vars(self), vars(other)
        return MergerCounts(**{name: value + theirs[name] for name, value in ours.items()})


@dataclass(eq=False)
class _Waiting:
    """A call, and where its client waits for the answer."""

    call: ScoreCall
    answer: "asyncio.Future[pa.Table]"
    key: Hashable
    begun: float = field(default_factory=time.perf_counter)
    # A scorer that was killed under it alone is another one's fault once, and its own twice.
    was_alone: bool = False

    # Of a batch that failed: merged with others it would fail these again.
    is_apart: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for it any more: cancelled, or behind its deadline."""
        return self.answer.done()


class Merger:
    """Gives calls to a pipeline's scorers, those that wait together as one batch.

    Parameters
    ----------
    score : async callable
        Scores a table with options, within so many seconds or without a limit.
    n_scorers : int
        Batches at the same time.
    max_waiting : int
        Further calls are refused.
    max_batch_rows : int
        Calls are merged up to so many rows; a larger call goes alone.
    merges : bool
        False gives each call alone: for pipelines whose rows depend on each other.
    """

    def __init__(
        self,
        score: Score,
        *,
        n_scorers: int,
        max_waiting: int,
        max_batch_rows: int,
        merges: bool,
    ) -> None:
        self._score = score
        self._n_scorers = n_scorers
        self._max_waiting = max_waiting
        self._max_batch_rows = max_batch_rows
        self.merges = merges
        self._waiting: Deque[List[_Waiting]] = deque()
        self._n_waiting = 0
        self._n_busy = 0
        self._tasks: Set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._linger_s = 0.0
        self._is_lingering = False
        self.counts = MergerCounts()

    @property
    def n_waiting(self) -> int:
        """Calls that have no scorer yet."""
        return self._n_waiting

    @property
    def n_busy(self) -> int:
        """Batches that are being scored."""
        return self._n_busy

    async def score(self, call: ScoreCall) -> pa.Table:
        """Score one call's rows.

        A caller that is cancelled takes its rows out of the queue; what is being scored already is
        finished, since other calls' rows are with it.

        Raises
        ------
        ScorerBusyError
            `max_waiting` calls wait already.
        DeadlineError
        ScorerClosedError
        DaiSparkError
            What scoring raised for this call's own rows.
        """
        if self._is_closed:
            raise ScorerClosedError("The server is ending, and takes no further calls.")
        if self._n_waiting >= self._max_waiting and self._n_busy >= self._n_scorers:
            self._drop_gone()
        if self._n_waiting >= self._max_waiting and self._n_busy >= self._n_scorers:
            raise ScorerBusyError(
                f"{self._n_waiting:,} calls wait for a scorer already, and no more may "
                f"(--max-waiting {self._max_waiting}); call again later."
            )
        answer: asyncio.Future[pa.Table] = asyncio.get_running_loop().create_future()
        # A model keeps the options that it was asked for, so those that are equal are one object.
        key = (id(call.options), call.table.schema)
        self._put([_Waiting(call, answer, key)], is_first=False)
        self._start_soon()
        left_s = call.left_s()
        if left_s is None:
            # A caller that is cancelled cancels what it awaits.
            return await answer
        alarm = asyncio.get_running_loop().call_later(left_s, _is_late, answer, call)
        try:
            return await answer
        finally:
            alarm.cancel()

    async def drain(self) -> None:
        """Take no further calls, and wait until those that are there have their answers."""
        self._is_closed = True
        self._start()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- the queue -------------------------------------------------------------------------------

    def _put(self, group: List[_Waiting], *, is_first: bool) -> None:
        self._n_waiting += len(group)
        if is_first:
            self._waiting.appendleft(group)
        else:
            self._waiting.append(group)

    def _drop_gone(self) -> None:
        groups = [[one for one in group if not one.is_gone] for group in self._waiting]
        n_left = sum(map(len, groups))
        self.counts.n_dropped += self._n_waiting - n_left
        self._n_waiting = n_left
        self._waiting = deque(group for group in groups if group)

    def _start_soon(self) -> None:
        """Give what waits to a scorer that is free, at once or when others have joined it."""
        if self._n_busy >= self._n_scorers or self._is_lingering:
            return
        if self._linger_s and not self._is_closed:
            self._is_lingering = True
            asyncio.get_running_loop().call_later(self._linger_s, self._linger_is_over)
        else:
            self._start()

    def _linger_is_over(self) -> None:
        self._is_lingering = False
        self._start()

    def _start(self) -> None:
        """Give what waits to scorers that are free."""
        while self._n_busy < self._n_scorers:
            group = self._next()
            if not group:
                return
            self._n_busy += 1
            task = asyncio.get_running_loop().create_task(self._run(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next(self) -> List[_Waiting]:
        """The calls of the next batch; empty where nobody waits."""
        taken: List[_Waiting] = []
        n_rows = 0
        passed: List[List[_Waiting]] = []
        while self._waiting:
            group = self._waiting.popleft()
            self._n_waiting -= len(group)
            left = [one for one in group if not one.is_gone]
            self.counts.n_dropped += len(group) - len(left)
            if not left:
                continue
            n_more = sum(one.call.table.num_rows for one in left)
            if not taken:
                taken, n_rows = left, n_more
                if not self.merges or left[0].is_apart:
                    break
                continue
            fits = n_rows + n_more <= self._max_batch_rows
            if fits and left[0].key == taken[0].key and not left[0].is_apart:
                taken += left
                n_rows += n_more
                continue
            passed.append(left)
            if not fits:
                break
        for left in reversed(passed):
            self._put(left, is_first=True)
        return taken

    # -- a batch ---------------------------------------------------------------------------------

    async def _run(self, group: List[_Waiting]) -> None:
        begun = time.monotonic()
        try:
            self.counts.n_batches += 1
            if len(group) > 1:
                self.counts.n_merged_calls += len(group)
            await self._score_group(group)
        finally:
            self._n_busy -= 1
            is_shared = self.merges and (len(group) > 1 or self._n_waiting > 0)
            taken_s = time.monotonic() - begun
            self.counts.scoring_s += taken_s
            self._linger_s = min(_LINGER_SHARE * taken_s, _MOST_LINGER_S) if is_shared else 0.0
            self._start_soon()

    async def _score_group(self, group: List[_Waiting]) -> None:
        begun = time.perf_counter()
        tables = [one.call.table for one in group]
        table = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
        try:
            scored = await self._score(table, group[0].call.options, _limit_s(group))
        except _MAY_BE_ONES as error:
            self.counts.n_died += isinstance(error, SidecarDiedError)
            self._again(group, error)
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
        else:
            begin = 0
            ended = time.perf_counter()
            for one in group:
                scope = one.call.scope
                if scope is not None:
                    scope.batch = (one.begun, begun, ended)
                    scope.n_merged = max(scope.n_merged, len(group))
                    self.counts.queued_s += begun - one.begun
                n_rows = one.call.table.num_rows
                if not one.is_gone:
                    one.answer.set_result(scored.slice(begin, n_rows))
                begin += n_rows

    def _again(self, group: List[_Waiting], error: Exception) -> None:
        """Halve a batch that failed; one call that fails alone has failed."""
        left = [one for one in group if not one.is_gone]
        for one in left:
            one.is_apart = True
        if len(left) > 1:
            self.counts.n_scored_again += len(left)
            middle = len(left) // 2
            for half in (left[middle:], left[:middle]):
                self._put(half, is_first=True)
            return
        if left and len(group) == 1 and (left[0].was_alone or not _is_anothers(error)):
            _fail(left, error)
        elif left:
            # Its rows were with others' that are gone, or its scorer was killed: alone, once more.
            self.counts.n_scored_again += 1
            left[0].was_alone = len(group) == 1
            self._put(left, is_first=True)


def _is_late(answer: "asyncio.Future[pa.Table]", call: ScoreCall) -> None:
    if not answer.done():
        answer.set_exception(
            DeadlineError(
                f"The deadline of the call came before its {call.table.num_rows:,} rows had "
                "scores; wait longer, or send fewer rows."
            )
        )


def _limit_s(group: Sequence[_Waiting]) -> Optional[float]:
    """When the batch's scorer is ended: well behind its most patient client's deadline.

    None where one has no deadline.  A scorer that is only slower than its clients are patient is
    not ended, since the next call would have to wait for another one.
    """
    left = [one.call.left_s() for one in group]
    known = [s for s in left if s is not None]
    return max(known) + _PATIENCE_S if len(known) == len(left) else None


def _is_anothers(error: Any) -> bool:
    """Whether a call that was scored alone may have failed by no fault of its rows."""
    return isinstance(error, SidecarDiedError)


def _fail(group: Sequence[_Waiting], error: BaseException) -> None:
    for one in group:
        if not one.is_gone:
            one.answer.set_exception(error)
            # A client that goes now leaves an exception that nobody reads.
            one.answer.exception()
