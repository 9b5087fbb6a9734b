"""One connection to the sidecar: behind it stands a scorer process of its own."""

import os
import socket
import sys
import time
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Dict, Iterator, Optional, Tuple, Type, Union

import pyarrow as pa

from dai_spark.client.executor import ExecutorContext, ProcessId
from dai_spark.client.launch import find_or_start
from dai_spark.client.sidecar_handle import SidecarHandle
from dai_spark.client.start_failure import died, loading_error, memory_limit
from dai_spark.errors import (
    DaiSparkError,
    OptionError,
    ProtocolError,
    ScoringError,
    SidecarTimeoutError,
    first_line,
)
from dai_spark.plan.plan import Description, ScoringPlan
from dai_spark.sidecar import protocol
from dai_spark.sidecar.process import process_start_time

__all__ = ["Connection", "Retired"]

# A sidecar may end for idleness between being found and being greeted.
_TRIES = 3
_CONNECT_POLL_S = 0.02


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

    Raises
    ------
    LicenseError, SidecarStartError, SidecarTimeoutError
        See `dai_spark.client.launch.find_or_start`.
    """

    def __init__(self, plan: ScoringPlan, executor: ExecutorContext) -> None:
        self._plan = plan
        self._executor = executor
        self._pid: Optional[int] = None
        self._parent: Optional[ProcessId] = None
        self.load_s: Optional[float] = None
        for tries_left in reversed(range(_TRIES)):
            self._sidecar = find_or_start(plan, executor)
            try:
                self._socket = _connect(self._sidecar, plan.options.start_timeout_s)
                self._greet()
                return
            except protocol.TimedOut:
                self.close()
                limit_s = plan.options.start_timeout_s
                raise self._timed_out(limit_s, "start_timeout_s", "when it was called") from None
            except (OSError, protocol.Closed):
                self.close()
                if tries_left == 0:
                    raise died(plan, executor, self._sidecar, None, "when it was called") from None
            except BaseException:
                self.close()
                raise

    def _greet(self) -> None:
        hello = {
            "protocol": protocol.VERSION,
            "key": self._sidecar.key,
            "options": self._plan.options.for_connection(),
            "task": self._executor.task,
        }
        protocol.send(self._socket, protocol.HELLO, hello, self._deadline())
        # A spawned scorer loads before it answers.
        options = self._plan.options
        kind, ready = self._receive(options.start_timeout_s, "start_timeout_s", "when it loaded")
        while kind == protocol.QUEUED:
            # Who scores has batch_timeout_s for a batch, and QUEUED comes again after each; then
            # a spawned scorer still has to load.
            limit_s = options.batch_timeout_s + options.start_timeout_s
            during = f"while it waited until fewer than {options.max_scorers} others scored"
            kind, ready = self._receive(limit_s, "max_scorers", during)
        if kind != protocol.READY or not isinstance(ready, dict):
            raise self._unexpected(kind, ready, "when it loaded")
        with self._read_as("READY"):
            self._pid = int(ready["pid"])
            parent = int(ready["sidecar_pid"])
            self._parent = ProcessId(parent, process_start_time(parent))
            if self._sidecar.was_started or ready["loaded"]:
                self.load_s = float(ready["load_s"])

    def describe(self) -> Description:
        """Ask the scorer what it says of itself; it scores one row of the export's example."""
        self._guarded_send(protocol.DESCRIBE, {})
        during = "while it scored the first row of the pipeline's own example"
        found = self._batch_answer(protocol.DESCRIPTION, during)
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
            The scorer has answered as many batches, or takes as much memory, as it may.
        SidecarDiedError, SidecarTimeoutError, ProtocolError
            After these the connection is of no more use.
        """
        limit_s = limit_s or self._plan.options.batch_timeout_s
        kind, payload = self._receive(limit_s, "batch_timeout_s", f"while it scored {rows}")
        if kind == protocol.RESULT:
            with self._read_as("Arrow"):
                return pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
        if kind == protocol.FAILURE and isinstance(payload, dict):
            return self._scoring_error(payload, rows)
        if kind == protocol.RETIRED and isinstance(payload, dict):
            raise Retired(self._totals(payload))
        raise self._unexpected(kind, payload, f"while it scored {rows}")

    def finish(self) -> Dict[str, Any]:
        """Say that no more batches come; return the scorer's own totals (see the protocol)."""
        self._guarded_send(protocol.FINISH, b"")
        return self._totals(self._batch_answer(protocol.DONE, "when it finished"))

    def _totals(self, found: Dict[str, Any]) -> Dict[str, Any]:
        with self._read_as("TOTALS"):
            return {name: float(found[name]) for name in protocol.TOTALS}

    def close(self) -> None:
        """Close the connection, which ends its scorer; harmless when repeated."""
        found = getattr(self, "_socket", None)
        if found is not None:
            found.close()

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

    def _deadline(self) -> float:
        return time.monotonic() + self._plan.options.batch_timeout_s

    def _guarded_send(self, kind: bytes, payload: Any) -> None:
        try:
            protocol.send(self._socket, kind, payload, self._deadline())
        except protocol.Closed:
            # Its last words, if it had any, are still to be read.
            return
        except protocol.TimedOut:
            limit_s = self._plan.options.batch_timeout_s
            raise self._timed_out(limit_s, "batch_timeout_s", "when a batch was sent") from None

    def _batch_answer(self, wanted: bytes, during: str) -> Dict[str, Any]:
        return self._answer(wanted, self._plan.options.batch_timeout_s, "batch_timeout_s", during)

    def _answer(self, wanted: bytes, limit_s: float, limit: str, during: str) -> Dict[str, Any]:
        kind, payload = self._receive(limit_s, limit, during)
        if kind != wanted or not isinstance(payload, dict):
            raise self._unexpected(kind, payload, during)
        return payload

    def _receive(self, limit_s: float, limit: str, during: str) -> Tuple[bytes, Any]:
        try:
            kind, payload = protocol.receive(self._socket, time.monotonic() + limit_s)
        except protocol.Closed:
            if self._pid is None:
                raise
            raise died(
                self._plan, self._executor, self._sidecar, self._pid, during, self._parent
            ) from None
        except protocol.TimedOut:
            raise self._timed_out(limit_s, limit, during) from None
        except protocol.BrokenProtocol as error:
            raise self._broken(str(error)) from None
        if kind in (protocol.FAILURE, protocol.ERROR):
            assert isinstance(payload, dict)
            if not all(isinstance(payload.get(name), str) for name in protocol.ERROR_FIELDS):
                raise self._broken("an error object lacks a field")
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
            raise self._broken(f"{what} cannot be read: {error!r}") from None

    # -- errors --------------------------------------------------------------------------------

    def _timed_out(self, limit_s: float, limit: str, during: str) -> DaiSparkError:
        return SidecarTimeoutError(
            f"The scorer of pipeline {self._plan.pipeline.label} gave no answer for {limit_s:g} "
            f"s on {self._executor.host} {during}; raise {limit} if it is slow and not stuck.",
            self._sidecar.log_tail(),
            cause=f"The scorer gave no answer within {limit_s:.3g} s.",
        )

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(
            f"The sidecar of pipeline {self._plan.pipeline.label} on {self._executor.host} "
            f"answered what is not of this protocol ({what}); restart the application."
        )

    def _scoring_error(self, failure: Dict[str, Any], rows: str) -> ScoringError:
        text = self._sidecar.clean(f"{failure['type']}: {failure['message']}")
        limit = memory_limit() if failure["type"].endswith("MemoryError") else ""
        return ScoringError(
            f"Pipeline {self._plan.pipeline.label} failed on {rows} on {self._executor.host}: "
            f"{first_line(text, max_chars=300)}{limit}",
            self._sidecar.clean(failure["traceback"]),
            cause=f"The pipeline raised {first_line(text, max_chars=300)}",
        )

    def _unexpected(self, kind: bytes, payload: Any, during: str) -> DaiSparkError:
        if kind == protocol.ERROR and isinstance(payload, dict):
            if payload["kind"] in ("license", "load"):
                return loading_error(payload, self._plan, self._executor, self._sidecar)
            if payload["kind"] == "option":
                return OptionError(
                    f"Pipeline {self._plan.pipeline.label} cannot do what the options ask for: "
                    f"{payload['message']}; leave the option out, or export the experiment from a "
                    "newer Driverless AI."
                )
            if payload["kind"] == "scoring":
                return self._scoring_error(payload, "a row of its own example")
            return ProtocolError(
                f"The sidecar of pipeline {self._plan.pipeline.label} on {self._executor.host} "
                f"refused this client {during}: {payload['message']}"
            )
        return ProtocolError(
            f"The sidecar of pipeline {self._plan.pipeline.label} on {self._executor.host} "
            f"answered {kind!r} out of turn {during}; restart the application."
        )


def _connect(sidecar: SidecarHandle, timeout_s: float) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # With a deadline on every send, a send may not block by itself; nor may a connect.
    found.setblocking(False)
    try:
        if sys.platform.startswith("linux"):
            # A Unix socket's address has 107 bytes; executors' folders are often deeper.  Through
            # a descriptor of the folder every path is short.
            folder = os.open(sidecar.run_folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                path = f"/proc/self/fd/{folder}/{protocol.SOCKET_NAME}"
                _connect_within(found, path, timeout_s)
            finally:
                os.close(folder)
        else:
            _connect_within(found, str(sidecar.run_folder / protocol.SOCKET_NAME), timeout_s)
    except BaseException:
        found.close()
        raise
    return found


def _connect_within(found: socket.socket, path: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found.connect(path)
            return
        except BlockingIOError:
            # More wait already than the sidecar has room for: it is stopped, or very busy.
            if time.monotonic() > deadline:
                raise protocol.TimedOut() from None
            time.sleep(_CONNECT_POLL_S)
