"""The folder beside a target in which a run keeps what is no row: lock, staged files, figures.

::

    location     where it lies
    hadoop_path  files and folders on Spark's file systems
    job_lock     one run of a job at a time
    last_run     what a run leaves for the next one to compare with
"""
