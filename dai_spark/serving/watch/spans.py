"""Spans of OpenTelemetry: a request, its wait for a scorer, and its scoring."""

import logging
import os
import time
from typing import Any, Callable, Optional

from dai_spark.serving.watch.request_scope import RequestScope

__all__ = ["Spans", "open_spans"]

_LOG = logging.getLogger("dai_spark")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# Of gRPC, where the server is to blame and not the client; HTTP's are those of 500.
_FAULTS = ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED")


def open_spans() -> "Optional[Spans]":
    """Spans as ``OTEL_*`` of the environment has them; None, and nothing imported, without these.

    They are sent where ``OTEL_EXPORTER_OTLP_ENDPOINT`` or
    ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` says, by HTTP.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    try:
        return Spans()
    except ImportError as error:
        _LOG.warning(
            "OTEL_* is set, and no spans are sent: %s is not here; pip install "
            "'dai_spark[telemetry]'.",
            error.name,
        )
        return None


class Spans:
    """Makes spans of requests that are answered; a thread of its own sends them.

    Raises
    ------
    ImportError
        OpenTelemetry is not here.
    """

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = os.environ.get("OTEL_SERVICE_NAME")
        resource = Resource.create({} if named else {SERVICE_NAME: "dai_spark"})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("dai_spark")
        self._trace: Any = trace
        self._propagator = TraceContextTextMapPropagator()

    def saw(self, scope: RequestScope) -> None:
        """Make the spans of a request that is answered.

        Parameters
        ----------
        scope : RequestScope
        """
        trace = self._trace
        told = _clock()
        parent = self._propagator.extract(scope.trace) if scope.trace else None
        span = self._tracer.start_span(
            f"{scope.protocol} request",
            parent,
            trace.SpanKind.SERVER,
            {
                "dai_spark.protocol": scope.protocol,
                "dai_spark.request_id": scope.request_id,
                "dai_spark.status": scope.status,
                "dai_spark.rows": scope.n_rows,
                "dai_spark.model.digest": scope.digest,
                "dai_spark.merged_calls": scope.n_merged,
            },
            start_time=told(scope.begun),
        )
        if scope.status.startswith("5") or scope.status in _FAULTS:
            # No sentence: it may hold what a pipeline says of a row.
            span.set_status(trace.StatusCode.ERROR)
        if scope.batch is not None:
            inside = trace.set_span_in_context(span)
            waits, begins, ends = map(told, scope.batch)
            for name, begin, end in (("queue", waits, begins), ("scoring", begins, ends)):
                self._tracer.start_span(name, inside, start_time=begin).end(end)
        span.end(told(time.perf_counter()))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _clock() -> Callable[[float], int]:
    """Nanoseconds of the epoch for times of `time.perf_counter`."""
    now_ns, now = time.time_ns(), time.perf_counter()
    return lambda moment: now_ns - int((now - moment) * 1e9)
