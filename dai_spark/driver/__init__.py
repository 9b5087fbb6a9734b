"""What runs beside the SparkSession.

::

    session    which kind of session this is
    ship       pipeline, environment and package to the executors
    prepare    arguments to a plan, proved by one probe task
    udf        score_udf
    dataframe  score_dataframe
    progress   what is told to the user meanwhile
"""
