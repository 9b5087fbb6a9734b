"""One connection to the sidecar: behind it stands a scorer process of its own."""

import os
import select
import socket
import time
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Dict, Iterator, Optional, Tuple, Type, Union

import pyarrow as pa

from dai_spark.client.executor import ExecutorContext, ProcessId
from dai_spark.client.sidecar_errors import SidecarErrors
from dai_spark.client.startup.launch import find_or_start
from dai_spark.client.startup.start_failure import remember_hang
from dai_spark.client.unix_socket import connected_socket
from dai_spark.errors import (
    ScoringError,
    SidecarDiedError,
    SidecarTimeoutError,
)
from dai_spark.plan.plan import Description, ScoringPlan
from dai_spark.sidecar import protocol
from dai_spark.sidecar.process import process_start_time

__all__ = ["Connection", "Retired"]

# A sidecar may end between being found and being greeted; its lock is free moments after its
# socket, and only then another one is started.
_TRIES = 5
_PAUSE_S = 0.02
_END_POLL_S = 0.005


class Retired(Exception):
    """The scorer has retired: the unanswered batches go to a new connection.

    Parameters
    ----------
    totals : dict
        What it has counted, see TOTALS of the protocol.
    """

    def __init__(self, totals: Dict[str, Any]) -> None:
        super().__init__("the scorer has retired")
        self.totals = totals


class Connection:
    """A client's end of a connection, open from its construction until `close`.

    Runs in a Python worker, one for each task, or in a local process.  Not for several threads.

    Parameters
    ----------
    plan : ScoringPlan
    executor : ExecutorContext

    Attributes
    ----------
    load_s : float or None
        Seconds that `Scorer()` took, where it was constructed for this connection.
    deadline : float or None
        Value of `time.monotonic` that no wait of this connection outlasts, whatever other limits
        say.  Who scores under a limit of its own sets it.
    sidecar : ProcessId or None
        The sidecar's process.
    is_counted : bool
        Whether somebody's metrics have this connection already.

    Raises
    ------
    LicenseError, SidecarStartError, SidecarTimeoutError
        See `dai_spark.client.startup.launch.find_or_start`.
    """

    def __init__(self, plan: ScoringPlan, executor: ExecutorContext) -> None:
        self._plan = plan
        self._executor = executor
        self._pid: Optional[int] = None
        self._scorer_began_at: Optional[int] = None
        self._opened_by = os.getpid()
        self._was_aborted = False
        self.sidecar: Optional[ProcessId] = None
        self.load_s: Optional[float] = None
        self.is_counted = False
        self.deadline: Optional[float] = None
        for tries_left in reversed(range(_TRIES)):
            self._sidecar = find_or_start(plan, executor)
            self._errors = SidecarErrors(plan, executor, self._sidecar)
            self.sidecar = self._sidecar.process()
            try:
                self._socket = connected_socket(
                    self._sidecar.run_folder, plan.options.start_timeout_s
                )
                self._greet()
                return
            except protocol.TimedOut:
                self.close()
                limit_s = plan.options.start_timeout_s
                raise self._errors.timed_out(
                    limit_s, "start_timeout_s", "when it was called"
                ) from None
            except (OSError, protocol.Closed):
                self.close()
                if tries_left == 0:
                    raise self._errors.died(None, "when it was called") from None
                time.sleep(_PAUSE_S * 2 ** (_TRIES - 1 - tries_left))
            except BaseException:
                self.close()
                raise

    def _greet(self) -> None:
        hello = {
            "protocol": protocol.VERSION,
            "key": self._sidecar.key,
            "options": self._plan.options.for_connection(),
            "task": self._executor.task,
            "task_attempt": self._executor.task_attempt,
        }
        deadline = self._deadline()
        protocol.send(self._socket, protocol.HELLO, hello, deadline, self._is_there)
        # A spawned scorer loads before it answers.
        options = self._plan.options
        try:
            kind, ready = self._receive(
                options.start_timeout_s, "start_timeout_s", "when it loaded"
            )
        except SidecarTimeoutError:
            if self._sidecar.loads_in_scorers():
                remember_hang(self._sidecar, options.start_timeout_s)
            raise
        while kind == protocol.QUEUED:
            # Who scores has batch_timeout_s for a batch, and QUEUED comes again after each; then
            # a spawned scorer still has to load.
            limit_s = options.batch_timeout_s + options.start_timeout_s
            during = f"while it waited until fewer than {options.max_scorers} others scored"
            kind, ready = self._receive(limit_s, "max_scorers", during)
        if kind != protocol.READY or not isinstance(ready, dict):
            raise self._errors.unexpected(kind, ready, "when it loaded")
        with self._read_as("READY"):
            self._pid = int(ready["pid"])
            parent = int(ready["sidecar_pid"])
            self._scorer_began_at = process_start_time(self._pid)
            self.sidecar = ProcessId.of(parent)
            if self._sidecar.was_started or ready["loaded"]:
                self.load_s = float(ready["load_s"])

    def describe(self) -> Description:
        """Ask the scorer what it says of itself; it scores rows of the export's example.

        Raises
        ------
        Retired
            See `receive_batch`; not on a connection's first message.
        """
        self._guarded_send(protocol.DESCRIBE, {})
        during = "while it scored the first row of the pipeline's own example"
        limit_s = self._plan.options.batch_timeout_s
        kind, found = self._receive(limit_s, "batch_timeout_s", during)
        if kind == protocol.RETIRED and isinstance(found, dict):
            raise Retired(self._totals(found))
        if kind != protocol.DESCRIPTION or not isinstance(found, dict):
            raise self._errors.unexpected(kind, found, during)
        with self._read_as("DESCRIPTION"):
            return Description.from_json(found)

    def send_batch(self, batch: pa.RecordBatch, first_row: int) -> int:
        """Send a batch and return its bytes; at most two may be unanswered.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
        first_row : int
            What the sidecar's log calls its first row.
        """
        batch = batch.replace_schema_metadata({"first_row": str(first_row)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        stream = sink.getvalue()
        self._guarded_send(protocol.BATCH, stream)
        return int(stream.size)

    def receive_batch(
        self, rows: str, limit_s: Optional[float] = None
    ) -> Union[pa.RecordBatch, ScoringError]:
        """Receive the answer to the oldest unanswered batch, or the error that stands for it.

        Parameters
        ----------
        rows : str
            What errors call the batch: ``rows 0-9999 of partition 3``.
        limit_s : float, optional
            By default ``batch_timeout_s``.

        Raises
        ------
        Retired
            The scorer has failed, or has answered as many batches, or takes as much memory, as it
            may.
        SidecarDiedError, SidecarTimeoutError, ProtocolError
            After these the connection is of no more use.
        """
        limit_s = limit_s or self._plan.options.batch_timeout_s
        kind, payload = self._receive(limit_s, "batch_timeout_s", f"while it scored {rows}")
        if kind == protocol.RESULT:
            with self._read_as("Arrow"):
                return pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
        if kind == protocol.FAILURE and isinstance(payload, dict):
            return self._errors.scoring(payload, rows)
        if kind == protocol.RETIRED and isinstance(payload, dict):
            raise Retired(self._totals(payload))
        raise self._errors.unexpected(kind, payload, f"while it scored {rows}")

    def finish(self) -> Dict[str, Any]:
        """Say that no more batches come; return the scorer's own totals (see the protocol)."""
        self._guarded_send(protocol.FINISH, b"")
        limit_s = self._plan.options.batch_timeout_s
        kind, found = self._receive(limit_s, "batch_timeout_s", "when it finished")
        if kind != protocol.DONE or not isinstance(found, dict):
            raise self._errors.unexpected(kind, found, "when it finished")
        return self._totals(found)

    def _totals(self, found: Dict[str, Any]) -> Dict[str, Any]:
        with self._read_as("TOTALS"):
            return {name: float(found[name]) for name in protocol.TOTALS}

    def close(self) -> None:
        """Close the connection, which ends its scorer; harmless when repeated.

        In a process that was forked from the one that opened it, only that process's copy.
        """
        found = getattr(self, "_socket", None)
        if found is None:
            return
        if os.getpid() == self._opened_by:
            # Also where a forked process has a copy, which would keep the connection open.
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)
        found.close()

    # -- kept between calls --------------------------------------------------------------------

    def begin_call(self, plan: ScoringPlan, deadline: Optional[float]) -> None:
        """Serve another call: `plan` differs in what no scorer needs to know."""
        self._plan = plan
        self.deadline = deadline

    def abort(self) -> None:
        """Make a thread that waits for an answer fail at once, and end the scorer."""
        self._was_aborted = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def can_score(self) -> bool:
        """Whether the scorer lives and has nothing to say, as between two calls."""
        assert self._pid is not None
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        if poller.poll(0):
            return False
        # A sidecar closes a dead scorer's connection a moment after its death, and the kernel ends
        # the scorers of a dead sidecar a moment after its own.
        assert self.sidecar is not None
        is_there = process_start_time(self._pid) == self._scorer_began_at
        return is_there and self.sidecar.is_alive()

    def processes(self) -> Tuple[int, int]:
        """Ids of the sidecar and of the scorer."""
        assert self.sidecar is not None
        assert self._pid is not None
        return self.sidecar.pid, self._pid

    def hand_on(self, limit_s: float) -> None:
        """Finish, and wait until the scorer is free for another connection or has ended.

        Raises
        ------
        SidecarError
            It did neither within the limit.
        """
        self.deadline = time.monotonic() + limit_s
        try:
            self.finish()
            # The sidecar closes its own copy of the connection when it knows.
            protocol.receive(self._socket, self.deadline, is_there=self._is_there)
        except protocol.Closed:
            pass
        except protocol.TimedOut:
            raise self._errors.timed_out(limit_s, "batch_timeout_s", "when it finished") from None
        finally:
            self.close()

    def wait_for_end(self, limit_s: float) -> None:
        """Wait, behind `close`, until the scorer has ended; at most so long."""
        deadline = time.monotonic() + limit_s
        while self._pid is not None and time.monotonic() < deadline:
            found = process_start_time(self._pid)
            if found is None or found != self._scorer_began_at:
                return
            time.sleep(_END_POLL_S)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    # -- frames --------------------------------------------------------------------------------

    def _deadline(self, limit_s: Optional[float] = None) -> float:
        until = time.monotonic() + (limit_s or self._plan.options.batch_timeout_s)
        return until if self.deadline is None else min(until, self.deadline)

    def _is_there(self) -> bool:
        # A sidecar tells of a scorer's end.  Nobody tells of its own where a process that the
        # pipeline has started lives on with a copy of the connection.
        return self.sidecar is None or self.sidecar.is_alive()

    def _guarded_send(self, kind: bytes, payload: Any) -> None:
        try:
            protocol.send(self._socket, kind, payload, self._deadline(), self._is_there)
        except protocol.Closed:
            # Its last words, if it had any, are still to be read.
            return
        except protocol.TimedOut:
            limit_s = self._plan.options.batch_timeout_s
            raise self._errors.timed_out(
                limit_s, "batch_timeout_s", "when a batch was sent"
            ) from None

    def _receive(self, limit_s: float, limit: str, during: str) -> Tuple[bytes, Any]:
        try:
            deadline = self._deadline(limit_s)
            kind, payload = protocol.receive(self._socket, deadline, is_there=self._is_there)
        except protocol.Closed:
            if self._pid is None:
                raise
            if self._was_aborted:
                raise SidecarDiedError(f"The call was given up {during}.") from None
            raise self._errors.died(self._pid, during, self.sidecar) from None
        except protocol.TimedOut:
            raise self._errors.timed_out(limit_s, limit, during) from None
        except protocol.BrokenProtocol as error:
            raise self._errors.broken(str(error)) from None
        if kind in (protocol.FAILURE, protocol.ERROR):
            assert isinstance(payload, dict)
            if not all(isinstance(payload.get(name), str) for name in protocol.ERROR_FIELDS):
                raise self._errors.broken("an error object lacks a field")
        return kind, payload

    @contextmanager
    def _read_as(self, what: str) -> Iterator[None]:
        try:
            yield
        except (
            pa.ArrowException,
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
            AttributeError,
            OSError,
            StopIteration,
        ) as error:
            raise self._errors.broken(f"{what} cannot be read: {error!r}") from None
