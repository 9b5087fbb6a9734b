"""HTTP's side of the server, in the event loop of the whole.

::

    app           the application: the paths of all protocols, readiness, token
    http_calls    what all protocols do: the body within its limit, the call, the client that left
    http_errors   which status an error has
    call_words    options of a call, of a query string or of JSON
    accepted      the format that a client wants its answer in
    documented    what OpenAPI says of the pipeline, for each protocol to say of itself
    openapi       /openapi.json, and /docs, a page to try it
    protocols/    each protocol's own words, a file each
"""
