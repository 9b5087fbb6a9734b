"""CallNotes: what is noted of calls that were answered: the inference log, and drift."""

import threading
import time
from collections import deque
from typing import Any, Deque, Iterator, Mapping, Optional, Tuple

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.drift.baseline import Baseline
from dai_spark.drift.recent_rows import DriftFigures, RecentRows
from dai_spark.inference_log.inference_log import InferenceLog, LoggedCall
from dai_spark.plan.options import ScoringOptions

__all__ = ["CallNotes"]

# How often rows are looked at, and how often they are measured.
_SEE_EVERY_S = 0.25
_MEASURE_EVERY_S = 15.0
# Calls that wait to be looked at.
_MOST_UNSEEN = 5_000


class CallNotes:
    """Takes note of answered calls, for all models that a server serves one after the other.

    Used from the server's event loop, which it holds up for microseconds.

    Parameters
    ----------
    log : InferenceLog or None
    baseline : Baseline or None
        What rows are held against; without one, only what the export tells of its training data.
    watches_drift : bool, default True
    """

    def __init__(
        self,
        log: Optional[InferenceLog] = None,
        baseline: Optional[Baseline] = None,
        *,
        watches_drift: bool = True,
    ) -> None:
        self._log = log
        self._baseline = baseline or Baseline()
        self._watches_drift = watches_drift
        # Of the digest that was served last.
        self._recent: Optional[Tuple[str, RecentRows]] = None
        self._figures = DriftFigures()
        self._measured_s = float("-inf")
        self._unseen: Deque[Any] = deque()
        self._thread: Optional[threading.Thread] = None
        self._is_closed = threading.Event()

    def without_drift(self) -> "CallNotes":
        """Notes into the same log alone, for a second model; the first one's close them."""
        return CallNotes(self._log, watches_drift=False)

    def check_columns(self, columns: Tuple[str, ...]) -> None:
        """Refuse a model without the columns that are to be masked.

        Parameters
        ----------
        columns : tuple of str
            Those that it uses.

        Raises
        ------
        OptionError
        """
        if self._log is not None:
            self._log.settings.check_columns(columns)

    def note(
        self,
        *,
        name: str,
        digest: str,
        columns: Mapping[str, PipelineColumn],
        rows: pa.Table,
        options: ScoringOptions,
        request_id: str,
        scored: pa.Table,
    ) -> None:
        """Take note of a call.

        Parameters
        ----------
        name, digest : str
            Of the model.
        columns : mapping of str to PipelineColumn
            Those that it uses.
        rows : pyarrow.Table
            As they were given to the handle.
        options : ScoringOptions
        request_id : str
        scored : pyarrow.Table
        """
        if self._log is not None:
            self._log.put(LoggedCall(request_id, name, digest, options, rows, scored, time.time()))
        # A sample: of calls that come too fast, some are passed over.
        if self._watches_drift and len(self._unseen) < _MOST_UNSEEN:
            self._unseen.append((digest, columns, rows, scored))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._see, name="dai_spark-drift", daemon=True
                )
                self._thread.start()

    def _see(self) -> None:
        while not self._is_closed.wait(_SEE_EVERY_S):
            while self._unseen:
                digest, columns, rows, scored = self._unseen.popleft()
                self._watch(digest, columns).see(rows, scored)
            recent = self._recent
            if recent is not None and time.monotonic() - self._measured_s >= _MEASURE_EVERY_S:
                self._figures = recent[1].figures()
                self._measured_s = time.monotonic()

    def _watch(self, digest: str, columns: Mapping[str, PipelineColumn]) -> RecentRows:
        if self._recent is None or self._recent[0] != digest:
            ranges = {n: c.limits for n, c in columns.items() if c.limits is not None}
            numbers = frozenset(name for name, column in columns.items() if column.is_number)
            self._recent = (digest, RecentRows(self._baseline, ranges, numbers))
        return self._recent[1]

    # -- metrics -------------------------------------------------------------------------------

    def collect(self) -> Iterator[Any]:
        """Metrics, for ``prometheus_client.CollectorRegistry.register``."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        if self._log is not None:
            counts = self._log.counts()
            rows = CounterMetricFamily(
                "dai_spark_log_rows", "Rows of the inference log by what became of them.",
                labels=["outcome"],
            )  # fmt: skip
            for outcome in ("written", "dropped", "failed"):
                rows.add_metric([outcome], getattr(counts, f"n_{outcome}"))
            yield rows
            files = CounterMetricFamily("dai_spark_log_files", "Files of the inference log.")
            files.add_metric([], counts.n_files)
            yield files
        if not self._watches_drift:
            return
        figures = self._figures
        n_rows = GaugeMetricFamily(
            "dai_spark_drift_rows", "Rows of the period that the drift metrics are of."
        )
        n_rows.add_metric([], figures.n_rows)
        yield n_rows
        for metric, told, label, found in (
            (
                "dai_spark_input_psi",
                "Population stability index of a column against the baseline.",
                "column",
                figures.inputs,
            ),
            (
                "dai_spark_prediction_psi",
                "Population stability index of a prediction against the baseline.",
                "prediction",
                figures.predictions,
            ),
            (
                "dai_spark_input_out_of_range_ratio",
                "Share of a column's numbers outside of what the training data had.",
                "column",
                figures.out_of_range,
            ),
            (
                "dai_spark_input_missing_ratio",
                "Share of a column's values that are missing.",
                "column",
                figures.missing,
            ),
        ):
            yield _gauge(GaugeMetricFamily(metric, told, labels=[label]), found)

    def close(self) -> None:
        """Write what waits."""
        self._is_closed.set()
        if self._log is not None:
            self._log.close()


def _gauge(family: Any, found: Mapping[str, float]) -> Any:
    for name, value in found.items():
        family.add_metric([name], value)
    return family
