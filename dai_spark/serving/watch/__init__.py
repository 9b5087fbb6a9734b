"""What is seen of the server's requests, whatever their protocol.

::

    request_scope   one request from its first byte to its answer
    spans           OpenTelemetry's, where they are asked for
    server_metrics  what Prometheus reads
    server_log      lines for people or JSON, one a request
"""
