"""ConnectionPool: the connections of one content in this process, kept open between calls."""

import os
import signal
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple, Union

from dai_spark.client.connection import Connection
from dai_spark.client.executor import ExecutorContext, ProcessId
from dai_spark.errors import DaiSparkError, ScorerBusyError, ScorerClosedError
from dai_spark.local.fork_lock import LOCK
from dai_spark.plan.plan import ScoringPlan

__all__ = ["ConnectionPool", "PooledConnection", "Waiter"]

# A scorer that is finished is looked at by its sidecar: whether it has grown, or is worn.
_MOST_CALLS = 256
# All idle connections but one are finished after so long.
_KEEP_IDLE_S = 30.0
_SWEEP_S = 5.0
# An idle scorer answers at once; one whose client left is killed after a second.
_END_S = 5.0


@dataclass(eq=False)
class PooledConnection:
    """A connection with what the pool knows of it.

    Attributes
    ----------
    connection : Connection
    plan : ScoringPlan
    options : str
        Names the options that travel with it.
    n_calls : int
        Calls that it has served.
    idle_since : float
        Value of `time.monotonic` when it was last given back.
    """

    connection: Connection
    plan: ScoringPlan
    options: str
    n_calls: int = 0
    idle_since: float = 0.0


@dataclass(eq=False)
class Waiter:
    """A call that waits for a connection."""

    user: object
    plan: ScoringPlan
    options: str
    future: "Future[PooledConnection]" = field(default_factory=Future)


class ConnectionPool:
    """The connections of one content in this process; a scorer process stands behind each.

    Calls take turns in the order in which they came.  Connections are opened and finished by
    threads of the pool's own, so no call waits for longer than its limit.

    Parameters
    ----------
    executor : ExecutorContext
    clean : callable
        Called when a sidecar of this pool has ended for good, to take its files away.

    Attributes
    ----------
    pid : int
        The process that it is of.
    describing : threading.Lock
        Held while the pipeline is asked to describe itself.
    """

    def __init__(self, executor: ExecutorContext, clean: Callable[[], None]) -> None:
        self.executor = executor
        self._clean = clean
        self.pid = os.getpid()
        self.describing = threading.Lock()
        self._limits: Dict[object, Optional[int]] = {}
        self._idle: List[PooledConnection] = []
        self._lent: Dict[PooledConnection, object] = {}
        self._waiting: Deque[Waiter] = deque()
        self._opening: Counter[str] = Counter()
        # Idle, lent, being opened, being ended; and of these, those that are being finished.
        self._n_open = 0
        self._n_going = 0
        self._sidecars: Set[ProcessId] = set()
        self._closed = threading.Event()
        self._is_swept = False

    # -- who uses it ---------------------------------------------------------------------------

    def join(self, user: object, max_scorers: Optional[int]) -> None:
        """Let a handle use this pool; the smallest limit that any of them names holds for all."""
        with LOCK:
            self._limits[user] = max_scorers
            to_do = self._shrink()
        _start(to_do)

    def leave(self, user: object) -> bool:
        """End the calls of a handle; whether no other handle uses this pool."""
        with LOCK:
            self._limits.pop(user, None)
            for pooled, its_user in self._lent.items():
                if its_user is user:
                    pooled.connection.abort()
            for waiter in [w for w in self._waiting if w.user is user]:
                self._waiting.remove(waiter)
                if waiter.future.set_running_or_notify_cancel():
                    waiter.future.set_exception(closed_error())
            return not self._limits

    def is_used_by(self, user: object) -> bool:
        """Whether a handle may score here."""
        return user in self._limits and not self._closed.is_set()

    @property
    def max_scorers(self) -> int:
        """Most connections at a time."""
        named = [limit for limit in self._limits.values() if limit is not None]
        return min(named) if named else _n_cpus()

    # -- lending -------------------------------------------------------------------------------

    def ask(
        self,
        user: object,
        plan: ScoringPlan,
        options: str,
        max_waiting: Optional[int] = None,
        is_first: bool = False,
    ) -> Union[PooledConnection, Waiter]:
        """Ask for a connection: one that is free, or a place in the queue.

        Parameters
        ----------
        user : object
            The handle whose call it is.
        plan : ScoringPlan
        options : str
            Names the options that travel with a connection.
        max_waiting : int, optional
            Most calls that may wait while all scorers are busy.
        is_first : bool, default False
            Before all who wait: for a call whose scorer has retired.

        Raises
        ------
        ScorerBusyError, ScorerClosedError
        """
        waiter = Waiter(user, plan, options)
        with LOCK:
            if not self.is_used_by(user):
                raise closed_error()
            self._waiting.insert(0 if is_first else len(self._waiting), waiter)
            to_do, n_behind = self._serve()
            if waiter.future.done():
                # Found at once, which is what a warm call meets.
                answer: Union[PooledConnection, Waiter] = waiter.future.result()
            elif max_waiting is not None and not is_first and n_behind > max_waiting:
                self._waiting.remove(waiter)
                raise ScorerBusyError(
                    f"All {self._n_open} scorers of pipeline {plan.pipeline.label} are busy and "
                    f"{n_behind - 1} calls wait already, as many as max_waiting={max_waiting} "
                    "allows; call again later, or raise max_waiting or max_scorers."
                )
            else:
                answer = waiter
        _start(to_do)
        return answer

    def withdraw(self, waiter: Waiter) -> bool:
        """Take a call out of the queue; False where it has been given a connection, or an error."""
        with LOCK:
            if waiter not in self._waiting:
                return False
            self._waiting.remove(waiter)
            waiter.future.cancel()
            return True

    def release(self, pooled: PooledConnection, is_clean: bool) -> None:
        """Take a connection back: keep it, or end it where its call failed."""
        pooled.n_calls += 1
        pooled.connection.deadline = None
        with LOCK:
            self._lent.pop(pooled, None)
            if not is_clean or self._closed.is_set():
                to_do = [lambda: self._end(pooled)]
            elif pooled.n_calls >= _MOST_CALLS and self._n_open <= self.max_scorers:
                to_do = [self._open_later(pooled.plan, pooled.options, pooled)]
            else:
                to_do = self._keep(pooled)
        _start(to_do)

    def _keep(self, pooled: PooledConnection) -> "List[Callable[[], None]]":
        pooled.idle_since = time.monotonic()
        self._idle.append(pooled)
        to_do = [*self._shrink(), *self._serve()[0]]
        if not self._is_swept:
            self._is_swept = True
            to_do.append(self._sweep)
        return to_do

    def _shrink(self) -> "List[Callable[[], None]]":
        """Finish idle connections that are more than a handle allows that has come since."""
        n_many = min(len(self._idle), self._n_open - self._n_going - self.max_scorers)
        going, self._idle = self._idle[: max(0, n_many)], self._idle[max(0, n_many) :]
        self._n_going += len(going)
        return [_bound(self._finish, pooled) for pooled in going]

    def _finish(self, pooled: PooledConnection) -> None:
        self._hand_on(pooled.connection)
        with LOCK:
            self._n_going -= 1
        self._make_room()

    def _serve(self) -> "Tuple[List[Callable[[], None]], int]":
        """Give what is free to those who wait, in their order; what threads have to do for it.

        With the number of calls that no connection is on its way to.
        """
        to_do: List[Callable[[], None]] = []
        coming = Counter(self._opening)
        n_behind = 0
        for waiter in list(self._waiting):
            pooled = self._take_idle(waiter.options, to_do)
            if pooled is not None:
                self._waiting.remove(waiter)
                self._lent[pooled] = waiter.user
                waiter.future.set_result(pooled)
            elif coming[waiter.options]:
                coming[waiter.options] -= 1
            elif n_behind:
                # Nobody overtakes one who waits for room.
                n_behind += 1
            elif self._n_open < self.max_scorers:
                self._n_open += 1
                to_do.append(self._open_later(waiter.plan, waiter.options, None))
            elif self._idle:
                # Of other options, and the longest idle.
                to_do.append(self._open_later(waiter.plan, waiter.options, self._idle.pop(0)))
            else:
                n_behind += 1
        return to_do, n_behind

    def _take_idle(
        self, options: str, to_do: "List[Callable[[], None]]"
    ) -> Optional[PooledConnection]:
        # The last one first: those that are not needed any more grow old and go.
        for pooled in [p for p in reversed(self._idle) if p.options == options]:
            self._idle.remove(pooled)
            if pooled.connection.can_score():
                return pooled
            to_do.append(_bound(self._end, pooled))
        return None

    # -- opening and ending, in threads of their own -------------------------------------------

    def _open_later(
        self, plan: ScoringPlan, options: str, instead_of: Optional[PooledConnection]
    ) -> "Callable[[], None]":
        self._opening[options] += 1
        return lambda: self._open(plan, options, instead_of)

    def _open(
        self, plan: ScoringPlan, options: str, instead_of: Optional[PooledConnection]
    ) -> None:
        if instead_of is not None:
            self._hand_on(instead_of.connection)
        try:
            pooled = PooledConnection(Connection(plan, self.executor), plan, options)
        except BaseException as error:  # noqa: BLE001 - raised by the call that waits for it
            with LOCK:
                self._opening[options] -= 1
                self._n_open -= 1
                for waiter in self._waiting:
                    if waiter.options == options:
                        self._waiting.remove(waiter)
                        waiter.future.set_exception(error)
                        break
                to_do = self._serve()[0]
            _start(to_do)
            return
        assert pooled.connection.sidecar is not None
        with LOCK:
            self._opening[options] -= 1
            self._sidecars.add(pooled.connection.sidecar)
            is_closed = self._closed.is_set()
            if not is_closed:
                to_do = self._keep(pooled)
        if is_closed:
            pooled.connection.close()
            self._end_sidecars()
            return
        _start(to_do)

    def _hand_on(self, connection: Connection) -> None:
        with suppress(DaiSparkError):
            connection.hand_on(_END_S)
            return
        connection.wait_for_end(_END_S)

    def _end(self, pooled: PooledConnection) -> None:
        """End a scorer that must not score again; then another may take its room."""
        pooled.connection.close()
        pooled.connection.wait_for_end(_END_S)
        self._make_room()

    def _make_room(self) -> None:
        with LOCK:
            self._n_open -= 1
            to_do = self._serve()[0]
        _start(to_do)

    def _sweep(self) -> None:
        """Finish connections that have been idle for long, as long as there are any."""
        while not self._closed.wait(_SWEEP_S):
            now = time.monotonic()
            with LOCK:
                # The last one lasts as long as a sidecar without connections.
                old = [p for p in self._idle[:-1] if now - p.idle_since > _KEEP_IDLE_S]
                old += [
                    p for p in self._idle[-1:] if now - p.idle_since > p.plan.options.idle_timeout_s
                ]
                for pooled in old:
                    self._idle.remove(pooled)
                self._n_going += len(old)
                self._is_swept = bool(self._idle or old)
                if not self._is_swept:
                    return
            for pooled in old:
                self._finish(pooled)

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """End all connections, and the sidecar where it is this process's own."""
        with LOCK:
            self._closed.set()
            idle, self._idle = self._idle, []
            for pooled in self._lent:
                pooled.connection.abort()
            for waiter in self._waiting:
                if waiter.future.set_running_or_notify_cancel():
                    waiter.future.set_exception(closed_error())
            self._waiting.clear()
        for pooled in idle:
            pooled.connection.close()
        self._end_sidecars()

    def _end_sidecars(self) -> None:
        if self.executor.owner.pid != self.pid:
            # An executor's sidecar serves its tasks as well.
            return
        with LOCK:
            sidecars, self._sidecars = self._sidecars, set()
        living = [sidecar for sidecar in sidecars if sidecar.is_alive()]
        for sidecar in living:
            with suppress(ProcessLookupError):
                os.kill(sidecar.pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_S
        while any(s.is_alive() for s in living) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._clean()

    def forget(self) -> None:
        """In a forked process: close the copies of its parent's sockets, which stay connected."""
        for pooled in [*self._idle, *self._lent]:
            pooled.connection.close()


def closed_error() -> ScorerClosedError:
    """The error of a call on a handle that is closed."""
    return ScorerClosedError("The scorer is closed; open another with open_scorer.")


def _bound(action: "Callable[[Any], None]", what: Any) -> "Callable[[], None]":
    return lambda: action(what)


def _start(to_do: "List[Callable[[], None]]") -> None:
    for action in to_do:
        threading.Thread(target=action, name="dai_spark-pool", daemon=True).start()


def _n_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
