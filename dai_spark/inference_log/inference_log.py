"""InferenceLog: calls on their way into files, without a wait for whoever scores."""

import json
import logging
import os
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from dai_spark._version import __version__
from dai_spark.inference_log.log_file import LogFile, remove_abandoned
from dai_spark.inference_log.log_settings import LogSettings
from dai_spark.inference_log.masked_rows import masked_rows
from dai_spark.plan.options import ScoringOptions

__all__ = ["InferenceLog", "LogCounts", "LoggedCall"]

_LOG = logging.getLogger("dai_spark")
_TICK_S = 0.2
# Kinds of calls (pipeline, options, types) that have a file open at the same time.
_MOST_OPEN = 16
_COMPLAIN_EVERY_S = 60.0


@dataclass(frozen=True)
class LoggedCall:
    """One call that was answered.

    Attributes
    ----------
    request_id, model, digest : str
    options : ScoringOptions
    rows : pyarrow.Table
        The pipeline's columns, in the types in which they were given to the handle.
    scored : pyarrow.Table
    time_s : float
        Of the answer, since 1970.
    """

    request_id: str
    model: str
    digest: str
    options: ScoringOptions
    rows: pa.Table
    scored: pa.Table
    time_s: float


@dataclass
class LogCounts:
    """What became of rows, since the beginning.

    Attributes
    ----------
    n_written : int
        Rows of files that are closed, or open.
    n_dropped : int
        Too many waited.
    n_failed : int
        Rows of files that could not be written.
    n_files : int
        That are closed.
    """

    n_written: int = 0
    n_dropped: int = 0
    n_failed: int = 0
    n_files: int = 0


class InferenceLog:
    """Writes calls into files, in a thread of its own.

    Parameters
    ----------
    settings : LogSettings

    Attributes
    ----------
    settings : LogSettings

    Raises
    ------
    OSError
        The folder cannot be made or written.
    """

    def __init__(self, settings: LogSettings) -> None:
        self.settings = settings
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        n_removed = remove_abandoned(settings.folder)
        if n_removed:
            _LOG.warning(
                "%d files of the inference log %s were not finished by a server that was killed; "
                "they are removed.",
                n_removed,
                settings.folder,
            )
        self._key = settings.hash_key or os.urandom(32)
        self._random = random.Random()
        self._condition = threading.Condition()
        self._waiting: Deque[Tuple[LoggedCall, int]] = deque()
        self._n_waiting_bytes = 0
        self._is_closed = False
        self._counts = LogCounts()
        self._open: Dict[Tuple[str, str, str], LogFile] = {}
        self._complained_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name="dai_spark-log", daemon=True)
        self._thread.start()

    def put(self, call: LoggedCall) -> None:
        """Log a call, or drop it where too many wait; returns at once, from any thread.

        Parameters
        ----------
        call : LoggedCall
        """
        if self.settings.sample < 1 and self._random.random() >= self.settings.sample:
            return
        n_bytes = call.rows.nbytes + call.scored.nbytes
        with self._condition:
            is_full = self._n_waiting_bytes + n_bytes > self.settings.most_waiting_bytes
            if self._is_closed or (is_full and self._waiting):
                self._counts.n_dropped += call.rows.num_rows
                return
            self._waiting.append((call, n_bytes))
            self._n_waiting_bytes += n_bytes
            # Else the thread comes by itself, and finds many calls to write at once.
            if self._n_waiting_bytes * 2 > self.settings.most_waiting_bytes:
                self._condition.notify()

    def counts(self) -> LogCounts:
        """What became of rows until now."""
        with self._condition:
            return LogCounts(**vars(self._counts))

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits, and finish all files.

        Parameters
        ----------
        timeout_s : float
            A disk that hangs is waited for no longer.
        """
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join(timeout_s)

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._condition:
                is_half = self._n_waiting_bytes * 2 > self.settings.most_waiting_bytes
                if not self._is_closed and not is_half:
                    self._condition.wait(_TICK_S)
                calls = [call for call, _ in self._waiting]
                n_bytes = self._n_waiting_bytes
                self._waiting.clear()
                is_closed = self._is_closed
            for alike in _alike(calls):
                self._write(alike)
            with self._condition:
                # Until now they are in memory.
                self._n_waiting_bytes -= n_bytes
            self._close_files(is_all=is_closed)
            if is_closed:
                return

    def _write(self, calls: List[LoggedCall]) -> None:
        n_rows = sum(call.rows.num_rows for call in calls)
        try:
            key, table = self._kind_and_rows(calls)
            file = self._open.get(key)
            if file is None:
                if len(self._open) >= _MOST_OPEN:
                    self._close(next(iter(self._open)))
                file = self._open[key] = self._new_file(calls[0], table.schema)
            file.write(table)
        except Exception as error:  # noqa: BLE001 - whatever it is, calls are answered
            self._complain(error)
            with self._condition:
                self._counts.n_failed += n_rows
            return
        with self._condition:
            self._counts.n_written += n_rows

    def _kind_and_rows(self, calls: List[LoggedCall]) -> Tuple[Tuple[str, str, str], pa.Table]:
        settings, first = self.settings, calls[0]
        rows = pa.concat_tables([call.rows for call in calls])
        rows = masked_rows(rows, settings.hashed, settings.left_out, self._key)
        scored = pa.concat_tables([call.scored for call in calls])
        n_rows = [call.rows.num_rows for call in calls]
        n_all = sum(n_rows)
        options = json.dumps(first.options.for_prediction(), sort_keys=True)
        micros = np.repeat([int(call.time_s * 1e6) for call in calls], n_rows)
        ids = pa.array([call.request_id for call in calls], pa.string())
        columns = {
            "request_id": ids.take(pa.array(np.repeat(np.arange(len(calls)), n_rows))),
            "row": pa.array(np.concatenate([np.arange(n) for n in n_rows]), pa.int64()),
            "time": pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC")),
            "model": pa.array([first.model] * n_all, pa.string()),
            "digest": pa.array([first.digest] * n_all, pa.string()),
            "options": pa.array([options] * n_all, pa.string()),
            "input": _struct(rows),
            "prediction": _struct(scored),
        }
        table = pa.table(columns)
        return (first.digest, options, str(table.schema)), table

    def _new_file(self, call: LoggedCall, schema: pa.Schema) -> LogFile:
        settings = self.settings
        day = time.strftime("%Y-%m-%d", time.gmtime())
        about = {
            "dai_spark": __version__,
            "model": call.model,
            "digest": call.digest,
            "options": call.options.for_prediction(),
            "sample": settings.sample,
            "hashed": list(settings.hashed),
            "left_out": list(settings.left_out),
        }
        folder = settings.folder / f"pipeline={call.digest[:12]}" / f"day={day}"
        return LogFile(folder, schema, about)

    def _close_files(self, *, is_all: bool) -> None:
        now_s = time.monotonic()
        for key, file in list(self._open.items()):
            is_old = now_s - file.begun_s >= self.settings.most_file_s
            if is_all or is_old or file.n_bytes >= self.settings.most_file_bytes:
                self._close(key)

    def _close(self, key: Tuple[str, str, str]) -> None:
        file = self._open.pop(key)
        try:
            file.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)
            with self._condition:
                self._counts.n_written -= file.n_rows
                self._counts.n_failed += file.n_rows
            return
        with self._condition:
            self._counts.n_files += 1

    def _complain(self, error: Exception) -> None:
        """Say that the log fails, and not for each call."""
        if time.monotonic() - self._complained_s < _COMPLAIN_EVERY_S:
            return
        self._complained_s = time.monotonic()
        told: Optional[str] = getattr(error, "strerror", None) or str(error)
        _LOG.error(
            "The inference log %s cannot be written (%s); calls are answered and not logged.",
            self.settings.folder,
            told,
        )


def _alike(calls: Sequence[LoggedCall]) -> List[List[LoggedCall]]:
    """Calls that one piece of a file can hold, in their order."""
    found: Dict[Any, List[LoggedCall]] = {}
    for call in calls:
        kind = (call.digest, call.model, id(call.options), call.rows.schema, call.scored.schema)
        found.setdefault(kind, []).append(call)
    return list(found.values())


def _struct(table: pa.Table) -> pa.StructArray:
    """All columns as one, since names of columns and of predictions may be alike."""
    if not table.num_columns:
        return pa.array([{}] * table.num_rows, pa.struct([]))
    arrays = [
        pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        for column in table.columns
    ]
    fields = [pa.field(field.name, field.type) for field in table.schema]
    return pa.StructArray.from_arrays(arrays, fields=fields)
