"""Lease: the scorer that one call has, waited for and given back."""

import asyncio
import concurrent.futures
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple, Union

from dai_spark.client.connection import Connection, Retired
from dai_spark.client.connection_source import ConnectionSource
from dai_spark.client.executor import ExecutorContext
from dai_spark.errors import DaiSparkError, ScorerBusyError, SidecarTimeoutError
from dai_spark.local.connection_pool import ConnectionPool, PooledConnection, Waiter, closed_error
from dai_spark.local.fork_lock import LOCK
from dai_spark.plan.plan import Description, ScoringPlan
from dai_spark.plan.ranges import seconds

__all__ = ["Lease", "Limits"]


class Limits:
    """The limits of one call, from now on.

    Parameters
    ----------
    timeout_s : float, optional
        Of the whole call.
    queue_timeout_s : float, optional
        Until a scorer is free.

    Raises
    ------
    OptionError
        One of them is no time.
    """

    def __init__(self, timeout_s: Optional[float], queue_timeout_s: Optional[float]) -> None:
        for name, value in (("timeout_s", timeout_s), ("queue_timeout_s", queue_timeout_s)):
            if value is not None:
                seconds(name, value)
        self.timeout_s = timeout_s
        self.queue_timeout_s = queue_timeout_s
        begun = time.monotonic()
        self.deadline = None if timeout_s is None else begun + timeout_s
        self._queue_deadline = None if queue_timeout_s is None else begun + queue_timeout_s

    def queue_s(self) -> Optional[float]:
        """How long the call may still wait for a scorer; None for ever."""
        named = [d for d in (self.deadline, self._queue_deadline) if d is not None]
        return max(0.0, min(named) - time.monotonic()) if named else None

    def is_over(self) -> bool:
        """Whether the call as a whole took too long."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def busy(self, plan: ScoringPlan) -> ScorerBusyError:
        """The error of a call for which no scorer was free in time."""
        name, limit_s = "queue_timeout_s", self.queue_timeout_s
        if limit_s is None or (self.timeout_s is not None and self.timeout_s < limit_s):
            name, limit_s = "timeout_s", self.timeout_s
        return ScorerBusyError(
            f"No scorer of pipeline {plan.pipeline.label} was free within {name}={limit_s:g} s; "
            "call again later, or raise max_scorers where the machine has the cores and the memory."
        )

    def too_slow(self, plan: ScoringPlan) -> SidecarTimeoutError:
        """The error of a call that got a scorer and no answer in time."""
        return SidecarTimeoutError(
            f"The scorer of pipeline {plan.pipeline.label} gave no answer within "
            f"timeout_s={self.timeout_s:g} s, and was ended; raise timeout_s if it is slow and not "
            "stuck, or score fewer rows in a call.",
            cause=f"The scorer gave no answer within {self.timeout_s:.3g} s.",
        )


class Lease(ConnectionSource):
    """What one call borrows of a pool: a connection at a time.

    Parameters
    ----------
    pool : ConnectionPool
    user : object
        The handle.
    plan : ScoringPlan
    options : str
        Names the options that travel with a connection.
    limits : Limits
    max_waiting : int or None
    """

    def __init__(
        self,
        pool: ConnectionPool,
        user: object,
        plan: ScoringPlan,
        options: str,
        limits: Limits,
        max_waiting: Optional[int],
    ) -> None:
        self.limits = limits
        self.plan = plan
        self._pool = pool
        self._user = user
        self._options = options
        self._max_waiting = max_waiting
        self._held: Optional[PooledConnection] = None
        self._is_lent = False
        self._had_one = False
        self._is_aborted = False

    # -- as a lender ---------------------------------------------------------------------------

    def acquire(self) -> Connection:
        """Wait for a scorer, unless one is held already."""
        self.hold()
        assert self._held is not None
        self._is_lent = True
        self._held.connection.begin_call(self.plan, self.limits.deadline)
        return self._held.connection

    def finish(self, connection: Connection) -> Optional[Dict[str, Any]]:
        """Nothing: the connection stays open, and its totals are those of many calls."""
        return None

    def totals_of(self, totals: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """None: they are those of many calls."""
        return None

    def release(self, connection: Connection, is_clean: bool) -> None:
        """Give the connection back to the pool."""
        assert self._held is not None
        self._is_lent = False
        with LOCK:
            pooled, self._held = self._held, None
        self._pool.release(pooled, is_clean and not self._is_aborted)

    def processes(self) -> Tuple[int, int]:
        """Ids of the sidecar and of the scorer that is held."""
        assert self._held is not None
        return self._held.connection.processes()

    @property
    def executor(self) -> ExecutorContext:
        """Where the scorer is."""
        return self._pool.executor

    @contextmanager
    def describing(self) -> Iterator[None]:
        """A block in which no other call asks this pipeline to describe itself."""
        until = self.limits.deadline
        limit_s = -1.0 if until is None else max(0.0, until - time.monotonic())
        if not self._pool.describing.acquire(timeout=limit_s):
            raise self.limits.too_slow(self.plan)
        try:
            yield
        finally:
            self._pool.describing.release()

    def describe(self) -> Description:
        """Ask the pipeline to describe itself, on the connection that the call goes on to use."""
        while True:
            connection = self.acquire()
            try:
                described = connection.describe()
            except Retired:
                self.release(connection, is_clean=False)
                continue
            self._is_lent = False
            return described

    # -- waiting -------------------------------------------------------------------------------

    def hold(self) -> None:
        """Wait for a scorer and keep it for this call, unless it has one."""
        if self._held is not None:
            return
        found = self._ask()
        if isinstance(found, Waiter):
            found = self._await(found)
        self._take(found)

    async def hold_async(self) -> None:
        """Wait for a scorer, while the loop goes on."""
        found = self._ask()
        if isinstance(found, Waiter):
            coming = asyncio.wrap_future(found.future)
            coming.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                await asyncio.wait({coming}, timeout=self.limits.queue_s())
            except BaseException:
                self._give_up(found)
                raise
            if self._pool.withdraw(found):
                raise self.limits.busy(self.plan)
            found = found.future.result()
        self._take(found)

    def _ask(self) -> Union[PooledConnection, Waiter]:
        return self._pool.ask(
            self._user, self.plan, self._options, self._max_waiting, self._had_one
        )

    def _await(self, waiter: Waiter) -> PooledConnection:
        try:
            return waiter.future.result(self.limits.queue_s())
        except concurrent.futures.TimeoutError:
            if self._pool.withdraw(waiter):
                raise self.limits.busy(self.plan) from None
            return waiter.future.result()
        except DaiSparkError:
            raise
        except BaseException:
            self._give_up(waiter)
            raise

    def _give_up(self, waiter: Waiter) -> None:
        if not self._pool.withdraw(waiter) and waiter.future.exception() is None:
            self._pool.release(waiter.future.result(), is_clean=True)

    def _take(self, pooled: PooledConnection) -> None:
        with LOCK:
            self._held = pooled
            self._had_one = True
            if self._is_aborted:
                pooled.connection.abort()

    # -- the end -------------------------------------------------------------------------------

    def abort(self) -> None:
        """End the call from another thread: its scorer ends, and it fails at once."""
        with LOCK:
            self._is_aborted = True
            if self._held is not None:
                self._held.connection.abort()

    def close(self) -> None:
        """Give back what is still held; harmless when repeated."""
        with LOCK:
            pooled, self._held = self._held, None
        if pooled is not None:
            self._pool.release(pooled, is_clean=not self._is_lent and not self._is_aborted)

    def check_not_closed(self) -> None:
        """Raise the error of a closed handle, where that is why a call failed."""
        if not self._pool.is_used_by(self._user):
            raise closed_error() from None
