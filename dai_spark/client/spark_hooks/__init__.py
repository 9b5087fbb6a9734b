"""Where Spark's Python worker lets what it runs take part in its own work.

::

    accumulator    metrics from tasks to the driver
    measuring      how a task's rows lie, from tasks to the driver
    arrow_columns  what a pandas UDF is sent, before Spark makes a frame of it
    worker_output  answers go to Spark batch by batch
"""
