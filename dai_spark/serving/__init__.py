"""One server for every client: HTTP and gRPC on one loaded pipeline.

::

    score_call      what a protocol makes of a request: a table of the pipeline's columns, options
    merger          calls that wait at the same time go to the pipeline as one batch
    served_model    one loaded pipeline: its handle, its merger, its example
    open_served     a pipeline by path or URI as such a model
    memory_fit      how many scorers the memory of a container holds
    watch/          what is seen of requests: metrics, log
    lifecycle/      how one model follows another, and how the server ends
    beside/         pipelines that score beside the one that is served
    call_notes      what is noted of answered calls: the inference log, and drift
    contract        what platforms expect of a server: port, address, paths, variables
    secret_files/   token, certificate and key
    asgi_app        the same as an application, below a process manager
    run_server      both protocols in one event loop, until SIGTERM
    http/           HTTP's protocols, each a translator of its own
    grpc/           gRPC's: a service for every pipeline, one typed by it, and Open Inference's
    tensors         what the Open Inference Protocol calls columns, for both
    json_tensors    the same as JSON, and as JSON with raw bytes behind it
    named_model     what that protocol says of a model by its name

Each protocol translates a request onto a table of the pipeline's columns and options, and the
prediction onto its own answer; a `ServedModel` scores for all of them.  All but scoring runs in one
event loop of one process; the scorers are the sidecar's.
"""
