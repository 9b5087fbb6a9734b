"""What a user is told while something takes long.

::

    messages     one line a step, and a bar over Spark's tasks
    line         what is seen of a running job, as one line for a terminal or for a log
    job_status   what Spark's own status stores know of the jobs that run
"""
