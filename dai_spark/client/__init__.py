"""What runs in Spark's Python worker, or in any process that wants scores.

No Spark session here, and nothing of `dai_spark.driver`.  Functions that Spark ships by value lose
their module's globals between tasks, so nothing that must last stands in a global: what lasts is
on disk (unpacked folders) or in another process (the sidecar).

::

    place       which executor this is, and where on its host things lie
    unpack      shipped files to folders, once per host
    launch      find the executor's sidecar, or start it
    connection  one connection to it
    under_way   the batches that it was sent and has not answered
    score       an iterator of record batches to an iterator of answers
    nan         predictions that are no scores
    isolate     the same, with bad rows set apart
    task        what Spark calls
"""
