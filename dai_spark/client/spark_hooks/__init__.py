"""Where Spark's Python worker lets what it runs take part in its own work.

::

    accumulator     metrics from tasks to the driver
    measuring       how a task's rows lie, from tasks to the driver
    arrow_columns   what a pandas UDF is sent, before Spark makes a frame of it
    worker_frames   which of Spark's own functions have called ours
    worker_task     a task of ours, from before its first batch to its end
    worker_socket   batches and answers go between Spark and its worker without waiting
    worker_heap     Spark's collections after each task find next to nothing to look through
    worker_imports  Spark's own archives are not listed anew before each task
"""
