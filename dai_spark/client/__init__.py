"""What runs in Spark's Python worker, or in any process that wants scores.

No Spark session here, and nothing of `dai_spark.driver`.  Functions that Spark ships by value lose
their module's globals between tasks, so nothing that must last stands in a global: what lasts is
on disk (unpacked folders) or in another process (the sidecar).

::

    executor        which executor this process belongs to, and which task it runs
    launch          find the executor's sidecar, or start it
    sidecar_handle  a sidecar as its clients see it: its folder, its log, what it left behind
    start_failure   why a sidecar did not come up or a scorer did not answer
    unix_socket     the sidecar's socket
    connection      one connection to the sidecar
    lending         where the connections of a task or a call come from, and go to
    in_flight       the batches that a scorer was sent and has not answered
    score           an iterator of record batches to an iterator of answers
    groups          rows that are scored whole, a group at a time
    nan             predictions that are no scores
    isolate         the same as `score`, with bad rows set apart
    udf_bodies      what Spark calls
    accumulator     metrics from tasks to the driver
"""
