"""Scorer: a handle on a pipeline that many threads score with, as long as it is open."""

import asyncio
import json
import logging
import os
import threading
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterator,
    Mapping,
    NoReturn,
    Optional,
    Tuple,
    Type,
)

from dai_spark.artifacts.license import find_license
from dai_spark.client.score import score_batches
from dai_spark.errors import OptionError, SidecarDiedError, SidecarTimeoutError
from dai_spark.local.connection_pool import ConnectionPool, closed_error
from dai_spark.local.fork_lock import LOCK
from dai_spark.local.lease import Lease, Limits
from dai_spark.local.process_pools import DESCRIPTIONS, join_pool, leave_pool
from dai_spark.local.row_source import Rows, rows_of
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.doubts import doubts
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description, ScoringPlan
from dai_spark.schema.prediction import PredictionShape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["Scorer"]

_LOG = logging.getLogger("dai_spark")

# What a sidecar is started with, so that no call can change it.
_FIXED = (
    *("start_method", "env_vars", "diagnose", "max_scorers"),
    *("start_timeout_s", "idle_timeout_s"),
)
# Ways to ask for a prediction that are remembered; a server has few of them.
_MOST_PLANS = 256


@dataclass(frozen=True)
class _Asked:
    """One way to ask for predictions, and its plan, described where that is known already."""

    plan: ScoringPlan
    # As texts: those that a connection is opened with, and those of them that change the answer.
    of_connection: str
    of_answer: str


class Scorer:
    """A pipeline that is ready to score, for all threads and tasks of a process.

    Made by `open_scorer`.  Runs in any process.  Each call has a scorer process to itself, so as
    many calls score at once as there are scorers; further ones wait in their order.  In a forked
    process the first call starts scorers of that process's own.

    Parameters
    ----------
    plan : ScoringPlan
    max_scorers : int or None
        See `open_scorer`.
    max_waiting : int or None
        See `open_scorer`.

    Examples
    --------
    >>> with open_scorer("scorer.zip", env="dai-1.10.tar.zst") as scorer:     # doctest: +SKIP
    ...     scorer.score(frame, contributions="original")
    """

    def __init__(
        self, plan: ScoringPlan, max_scorers: Optional[int], max_waiting: Optional[int]
    ) -> None:
        # A pool's limit holds in this process, whose scorers all are: no sidecar need count them.
        self._plan = replace(plan, options=replace(plan.options, max_scorers=None))
        self._max_scorers = max_scorers
        self._max_waiting = max_waiting
        self._user = object()
        self._is_closed = False
        self._has_warned = False
        self._asked: Dict[Tuple[Any, ...], _Asked] = {}
        self._metrics = ScoringMetrics()
        self._key = plan.key(plan.license or find_license(os.environ))
        self._pool = join_pool(self._key, self._user, max_scorers)

    # -- scoring -------------------------------------------------------------------------------

    def score(
        self,
        rows: Any,
        *,
        timeout_s: Optional[float] = None,
        queue_timeout_s: Optional[float] = None,
        **overrides: "Unpack[OptionArguments]",
    ) -> Any:
        """Score rows; from any thread.

        Parameters
        ----------
        rows : pandas.DataFrame, pyarrow.Table, RecordBatch or RecordBatchReader, or any object with
            ``__arrow_c_stream__`` or ``__arrow_c_array__``
            Columns are matched by name, further ones are ignored.  A reader is read as its rows are
            scored.
        timeout_s : float, optional
            Limit of the whole call; by default none but ``batch_timeout_s`` for each batch.
        queue_timeout_s : float, optional
            Limit of the wait for a scorer that is free.
        **overrides
            Options of this call, laid over those that the scorer was opened with: all of
            `ScoringOptions` but those that a sidecar is started with.

        Returns
        -------
        pandas.DataFrame or pyarrow.Table
            The prediction of each row, in their order: a DataFrame with the index of the one that
            was given, a Table for all else.

        Raises
        ------
        ColumnError, OptionError
            Before a row is scored, but for a value that the pipeline cannot be given unchanged.
        ScorerBusyError
            No scorer was free in time, or `max_waiting` calls wait already.
        ScorerClosedError
        ScoringError
            The pipeline raised.
        SidecarError, LicenseError, PackedEnvironmentError
            The scorer ended, gave no answer in time, or could not be started.
        """
        options = self._options(overrides)
        return self.score_with(rows, options, Limits(timeout_s, queue_timeout_s))

    async def score_async(
        self,
        rows: Any,
        *,
        timeout_s: Optional[float] = None,
        queue_timeout_s: Optional[float] = None,
        **overrides: "Unpack[OptionArguments]",
    ) -> Any:
        """Score rows while the event loop goes on; otherwise as `score`.

        A task that is cancelled ends its scorer at once; the next call has another.
        """
        options = self._options(overrides)
        return await self.score_with_async(rows, options, Limits(timeout_s, queue_timeout_s))

    async def score_with_async(self, rows: Any, options: ScoringOptions, limits: Limits) -> Any:
        """Score rows with options that are resolved already; see `score_async`."""
        asked = self._asked_for(options)
        lease = self._lease(asked, limits)
        taken = rows_of(rows)
        with self._told_of_close(lease):
            await lease.hold_async()
        return await _in_thread(self, taken, asked, lease)

    def score_with(self, rows: Any, options: ScoringOptions, limits: Limits) -> Any:
        """Score rows with options that are resolved already; see `score`."""
        asked = self._asked_for(options)
        lease = self._lease(asked, limits)
        return self._score(rows_of(rows), asked, lease)

    def _score(self, rows: Rows, asked: _Asked, lease: Lease) -> Any:
        with self._told_of_close(lease), closing(lease):
            plan = self._described(asked, lease)
            shape = PredictionShape.of(plan)
            batches = rows.batches(plan.wanted(), plan.options)
            answers = []
            found = score_batches(plan, batches, lease.executor, self._add, lease)
            with closing(found):
                for scored in found:
                    if scored.error is not None:
                        raise scored.error
                    answers.append(scored.answer)
            return rows.answer(answers, shape.schema)

    @contextmanager
    def _told_of_close(self, lease: Lease) -> Iterator[None]:
        """Say in a call's own overrides that its limit, or the handle's end, is why it failed."""
        try:
            yield
        except SidecarTimeoutError as error:
            if lease.limits.is_over():
                raise lease.limits.too_slow(lease.plan) from error
            raise
        except SidecarDiedError:
            lease.check_not_closed()
            raise

    def _add(self, metrics: ScoringMetrics) -> None:
        with LOCK:
            self._metrics += metrics

    # -- what is asked -------------------------------------------------------------------------

    def _options(self, overrides: Mapping[str, Any]) -> ScoringOptions:
        fixed = [name for name in overrides if name in _FIXED]
        if fixed:
            raise OptionError(
                f"{', '.join(fixed)} cannot change from call to call, since a loaded scorer "
                "depends on it; give it to open_scorer."
            )
        return (
            ScoringOptions.resolve(self._plan.options, overrides)
            if overrides
            else self._plan.options
        )

    def _asked_for(self, options: ScoringOptions) -> _Asked:
        # With types, since True and 1 are equal and do not mean the same.
        key = tuple(
            (type(value), value) for name, value in vars(options).items() if name != "env_vars"
        )
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= _MOST_PLANS:
                self._asked.clear()
            options = replace(options, max_scorers=None)
            of_answer = json.dumps(options.for_answer())
            plan = replace(self._plan, options=options)
            described = DESCRIPTIONS.get((self._key, of_answer))
            if described is not None:
                plan = plan.with_description(described)
            asked = _Asked(plan, json.dumps(options.for_connection()), of_answer)
            self._asked[key] = asked
        return asked

    def _described(self, asked: _Asked, lease: Lease) -> ScoringPlan:
        if asked.plan.described is not None:
            self._warn_of(asked.plan)
            return asked.plan
        name = (self._key, asked.of_answer)
        if name not in DESCRIPTIONS:
            lease.hold()
            with lease.describing():
                if name not in DESCRIPTIONS:
                    DESCRIPTIONS[name] = lease.describe()
        plan = asked.plan.with_description(DESCRIPTIONS[name])
        self._warn_of(plan)
        # For the calls to come.
        for key, known in list(self._asked.items()):
            if known is asked:
                self._asked[key] = replace(asked, plan=plan)
        return plan

    def _warn_of(self, plan: ScoringPlan) -> None:
        """Say once what may give other scores than expected."""
        if not self._has_warned:
            self._has_warned = True
            for doubt in doubts(plan):
                _LOG.warning("%s", doubt)

    def _lease(self, asked: _Asked, limits: Limits) -> Lease:
        pool = self._pool_here()
        return Lease(pool, self._user, asked.plan, asked.of_connection, limits, self._max_waiting)

    def _pool_here(self) -> ConnectionPool:
        if self._is_closed:
            raise closed_error()
        if self._pool.pid != os.getpid():
            # This process was forked from the one that opened it.
            with LOCK:
                if self._pool.pid != os.getpid():
                    self._pool = join_pool(self._key, self._user, self._max_scorers)
        return self._pool

    # -- what it is ----------------------------------------------------------------------------

    def warm(self) -> None:
        """Start a scorer, unless one is there, and let it describe the pipeline."""
        asked = self._asked_for(self._plan.options)
        lease = self._lease(asked, Limits(None, None))
        with self._told_of_close(lease), closing(lease):
            lease.hold()
            PredictionShape.of(self._described(asked, lease))

    def processes(self) -> Tuple[int, int]:
        """Ids of the sidecar and of one of its scorers, which are this user's own."""
        asked = self._asked_for(self._options({}))
        lease = self._lease(asked, Limits(None, None))
        with self._told_of_close(lease), closing(lease):
            lease.hold()
            return lease.processes()

    def describe(self, **overrides: "Unpack[OptionArguments]") -> Description:
        """What the pipeline says of itself: columns, types of its answer, labels, versions.

        Asks a scorer only for options of a call (`**overrides`) that nobody has asked for before.
        """
        return self.describe_for(self._options(overrides))

    def describe_for(self, options: ScoringOptions) -> Description:
        """As `describe`, with options that are resolved already."""
        asked = self._asked_for(options)
        lease = self._lease(asked, Limits(None, None))
        with self._told_of_close(lease), closing(lease):
            described = self._described(asked, lease).described
        assert described is not None
        return described

    def plan_for(self, options: ScoringOptions) -> ScoringPlan:
        """The plan of calls with these options; described where a call has asked already."""
        return self._asked_for(options).plan

    def metrics(self) -> ScoringMetrics:
        """What all calls of this handle took together; a task is a call that had rows."""
        with LOCK:
            return self._metrics

    @property
    def key(self) -> str:
        """Names pipeline, environment, what a loaded scorer depends on, and the licence."""
        return self._key

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """End the calls that go on, and all scorers; harmless when repeated, from any thread."""
        with LOCK:
            if self._is_closed:
                return
            self._is_closed = True
        if self._pool.pid == os.getpid():
            leave_pool(self._key, self._user, self._pool)

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Nobody can call it any more, so nobody waits for its scorers.
        if getattr(self, "_pool", None) is not None:
            self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A Scorer cannot be pickled, since processes of this one stand behind it; open one "
            "with open_scorer in each process (a forked process may go on using its parent's)."
        )


async def _in_thread(scorer: Scorer, rows: Rows, asked: _Asked, lease: Lease) -> Any:
    # A thread of its own and no pool's: there are never more of them than scorers, and a daemon
    # is not waited for when the process ends.
    done: Future[Any] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(scorer._score(rows, asked, lease))
        except BaseException as error:  # noqa: BLE001 - raised by the task that awaits it
            done.set_exception(error)

    try:
        threading.Thread(target=run, name="dai_spark-call", daemon=True).start()
        return await asyncio.wrap_future(done)
    except asyncio.CancelledError:
        lease.abort()
        raise
