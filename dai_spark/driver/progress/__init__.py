"""What a user is told, and may do, while something takes long.

::

    messages     where a message goes, and the heartbeat of what takes long
    show         show_progress, a line over Spark's jobs
    terminal     the same for a command line: standard error
    line         what is seen of a running job, as one line for a terminal or for a log
    job_status   what Spark's own status stores know of the jobs that run
    interrupt    an interrupt ends the jobs that were begun
"""
