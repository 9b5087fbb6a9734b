"""ServerMetrics: what Prometheus reads at ``/metrics``."""

from typing import Any, Callable, Dict, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from dai_spark.serving.lifecycle.model_slot import ModelSlot
from dai_spark.serving.served_model import ServedModel
from dai_spark.serving.watch.request_scope import RequestScope

__all__ = ["CONTENT_TYPE", "ServerMetrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Of a row that takes milliseconds, and of a body of a million rows.
_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_COUNTS = (
    ("n_batches", "dai_spark_batches", "Batches that were given to the pipeline."),
    ("n_merged_calls", "dai_spark_merged_calls", "Calls that were scored with others' rows."),
    ("n_scored_again", "dai_spark_scored_again_calls", "Calls whose batch failed, scored again."),
    ("n_dropped", "dai_spark_dropped_calls", "Calls whose client had gone before."),
    ("n_died", "dai_spark_died_scorers", "Scorers that ended while a batch was with them."),
)  # fmt: skip


class ServerMetrics:
    """Counts requests, and reads what the model that is served counts itself.

    Lives in the server's event loop.

    Parameters
    ----------
    slot : ModelSlot
    collectors : sequence
        Further metrics, as ``CollectorRegistry.register`` takes them: of the inference log, of
        drift, of pipelines that stand beside.
    """

    def __init__(self, slot: ModelSlot, collectors: Sequence[Any] = ()) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector):
            collector(registry=self.registry)
        self._requests = Counter(
            "dai_spark_requests",
            "Requests by protocol and status.",
            ["protocol", "status"],
            registry=self.registry,
        )
        self._rows = Counter(
            "dai_spark_rows", "Rows that were scored.", ["protocol"], registry=self.registry
        )
        self._seconds = Histogram(
            "dai_spark_request_seconds",
            "Seconds from a request's first byte to its answer.",
            ["protocol"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(_OfModel(slot))
        for further in collectors:
            self.registry.register(further)
        # To find a metric by its labels takes longer than to count.
        self._known: Dict[Any, Callable[[RequestScope], None]] = {}

    def saw(self, scope: RequestScope) -> None:
        """Count a request that is answered."""
        key = (scope.protocol, scope.status)
        count = self._known.get(key)
        if count is None:
            requests = self._requests.labels(*key)
            rows, seconds = self._rows.labels(key[0]), self._seconds.labels(key[0])

            def count(scope: RequestScope) -> None:
                requests.inc()
                rows.inc(scope.n_rows)
                seconds.observe(scope.seconds())

            self._known[key] = count
        count(scope)

    def text(self) -> bytes:
        """All metrics, in Prometheus' own format."""
        found: bytes = generate_latest(self.registry)
        return found


class _OfModel:
    """What models count, those that were served before included."""

    def __init__(self, slot: ModelSlot) -> None:
        self._slot = slot

    def collect(self) -> Iterator[Any]:
        model = self._slot.peek()
        counts = self._slot.counts()
        for name, metric, told in _COUNTS:
            family = CounterMetricFamily(metric, told)
            family.add_metric([], getattr(counts, name))
            yield family
        for metric, told, taken_s in (
            (
                "dai_spark_scoring_seconds",
                "Seconds that batches took, queueing left out.",
                counts.scoring_s,
            ),
            ("dai_spark_queue_seconds", "Seconds that calls waited.", counts.queued_s),
        ):
            seconds = CounterMetricFamily(metric, told)
            seconds.add_metric([], taken_s)
            yield seconds
        swaps = CounterMetricFamily(
            "dai_spark_swaps",
            "Models that took over, and those that could not.",
            labels=["outcome"],
        )
        swaps.add_metric(["done"], self._slot.n_swapped)
        swaps.add_metric(["refused"], self._slot.n_refused)
        yield swaps
        ready = GaugeMetricFamily("dai_spark_ready", "1 where a model is served.")
        ready.add_metric([], 0 if model is None else 1)
        yield ready
        if model is None:
            return
        for metric, told, value in (
            ("dai_spark_waiting_calls", "Calls that wait for a scorer.", model.merger.n_waiting),
            ("dai_spark_busy_scorers", "Batches that are being scored.", model.merger.n_busy),
        ):
            gauge = GaugeMetricFamily(metric, told)
            gauge.add_metric([], value)
            yield gauge
        yield _info_of(model)


def _info_of(model: ServedModel) -> InfoMetricFamily:
    info = InfoMetricFamily("dai_spark_model", "The model that is served.")
    version = "" if model.origin is None else model.origin.version
    info.add_metric([], {"name": model.name, "digest": model.digest, "version": version})
    return info
