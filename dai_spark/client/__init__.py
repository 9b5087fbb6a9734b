"""What runs in Spark's Python worker, or in any process that wants scores.

No Spark session here, and nothing of `dai_spark.driver`.  Functions that Spark ships by value lose
their module's globals between tasks, so nothing that must last stands in a global: what lasts is
on disk (unpacked folders) or in another process (the sidecar).

::

    executor           which executor this process belongs to, and which task it runs
    startup/           the executor's sidecar: found, or started
    spark_hooks/       metrics, and columns as Arrow, of Spark's own Python worker
    read_files/        a table's files, read by a task itself
    key_check/         whether a key tells rows apart
    unix_socket        the sidecar's socket
    connection         one connection to the sidecar
    connection_source  where the connections of a task or a call come from, and go to
    in_flight          the batches that a scorer was sent and has not answered
    exchange           pieces sent ahead, answers received
    score              an iterator of record batches to an iterator of answers
    pieces             its batches cut into what is scored at once, and cast
    groups             rows that are scored whole, a group at a time
    isolate            the same as `score`, with bad rows set apart
    udf_bodies         what Spark calls
    memory_limits      what bounds memory here, and whether the kernel has killed for it
    sidecar_errors     what is told of a sidecar that failed
"""
