"""What runs beside the SparkSession.

::

    session             which session scores, and what kind it is
    ship                pipeline, environment and package to the executors
    prepare             arguments to a plan, proved by one probe task
    schema              Spark's types to Arrow's, and a prediction's type
    group_shuffle       rows that are scored whole, brought together by Spark
    off_disk            a function so small that Spark writes it into no file
    udf                 score_udf
    dataframe           score_dataframe
    isolated_dataframe  the same with bad rows set apart
    transformer         the same as a stage of a `pyspark.ml` Pipeline
    open_request        what a caller of a face gave, checked
    metrics_sum         the metrics of all tasks that have ended
    spark_errors/       what Spark raises, as sentences
    filesystem/         files by URI
    row_facts/          what tasks find out of rows
    file_reader/        tables whose files tasks read themselves
    progress/           what is told to the user meanwhile
"""
