"""What runs beside the SparkSession.

::

    session    which kind of session this is
    ship       pipeline, environment and package to the executors
    prepare    arguments to a plan, proved by one probe task
    udf        score_udf
    dataframe  score_dataframe
    isolated   the same with bad rows set apart
    files      read, fetched and written by URI: `hadoop` on classic Spark, `row_file` over
               Connect, `file_errors` for what they raise
    progress   what is told to the user meanwhile: `status` looks, `bar` words it
"""
