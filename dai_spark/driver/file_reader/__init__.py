"""Which tables tasks may read as files themselves, and what each task then reads.

Everything is proved here, on the driver, before a frame is made; what cannot be proved is Spark's
to read, with the reason.

::

    reading         a frame of the table's rows, or of file ranges, and why
    scan_plan       classic Spark: a plan that is nothing but a scan of files or of an Iceberg table
    listed_files    classic Spark: the files of that scan, with their partitions' values
    iceberg_files   classic Spark: the same of an Iceberg table, whose columns have field ids
    connect_scan    Spark Connect: the same, as far as a client can see it
    spark_settings  what of Spark's settings changes what its reader gives
    packing         row groups to tasks, as many and as large as Spark's own
"""
