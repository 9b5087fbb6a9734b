"""How an executor's sidecar comes up: one process for all its tasks.

::

    launch          find the executor's sidecar, or start it
    sidecar_handle  a sidecar as its clients see it: its folder, its log, what it left behind
    start_failure   a start that failed a short while ago, and is not tried again
"""
