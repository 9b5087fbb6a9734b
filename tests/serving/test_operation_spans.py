"""OpenTelemetry: what a collector gets of a server's requests."""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dai_spark.serving.grpc.proto_file import Messages
from dai_spark.serving.grpc.scoring_proto import scoring_file

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector():
    """A collector of OTLP by HTTP: where it is, and the spans that it was sent."""
    spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = ExportTraceServiceRequest.FromString(body)
            spans.extend(
                span
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()
    thread.join()


def test_request_queue_and_scoring_are_spans_of_the_clients_trace(
    serve, export, records, collector
):
    """HTTP and gRPC; all that waits is sent before the server ends, and no value of a row is."""
    endpoint, spans = collector
    words = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    server = serve(export(), "--grpc-port", 0, environment=words)
    parent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine"}
    sent = [{**records[0], "tailnum": "N-SECRET"}] * 3
    assert server.client.post("/predict", json=sent, headers=parent).status_code == 200
    port = re.search(r"listening on 127\.0\.0\.1:(\d+) for gRPC", server.log.read_text())[1]
    messages = Messages(scoring_file())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{messages.service}/Score")
        request = messages.of("ScoreRequest")(json=json.dumps(records[:2]).encode())
        metadata = (("traceparent", parent["traceparent"]),)
        assert call(request.SerializeToString(), timeout=30, metadata=metadata)
    assert server.end() == 0

    assert {span.trace_id.hex() for span in spans} == {TRACE}
    for name, n_rows in (("predict request", 3), ("grpc request", 2)):
        (whole,) = [span for span in spans if span.name == name]
        assert whole.parent_span_id.hex() == PARENT
        told = {one.key: one.value for one in whole.attributes}
        assert told["dai_spark.rows"].int_value == n_rows
        assert told["dai_spark.merged_calls"].int_value == 1
        inside = {span.name: span for span in spans if span.parent_span_id == whole.span_id}
        assert set(inside) == {"queue", "scoring"}
        moments = (
            whole.start_time_unix_nano,
            inside["queue"].start_time_unix_nano,
            inside["queue"].end_time_unix_nano,
            inside["scoring"].end_time_unix_nano,
            whole.end_time_unix_nano,
        )
        assert sorted(moments) == list(moments)
        assert inside["queue"].end_time_unix_nano == inside["scoring"].start_time_unix_nano
    assert "N-SECRET" not in str(spans)


def test_nothing_of_it_is_imported_unasked():
    """Neither without OTEL_*, nor where it is switched off."""
    program = (
        "import sys, os\n"
        "from dai_spark.serving.watch.spans import open_spans\n"
        "assert open_spans() is None\n"
        "os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1'\n"
        "os.environ['OTEL_SDK_DISABLED'] = 'true'\n"
        "assert open_spans() is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
