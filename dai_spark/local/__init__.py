"""Scoring on this machine with no Spark and no JVM.

::

    open_scorer      the function
    scorer_handle    Scorer, which it returns: for all threads and tasks of a process
    pandas_call      score_pandas: a pandas DataFrame in, one out
    kept_scorers     handles that stay open until this process ends
    row_source       what callers give as record batches, and the answer in their kind
    frame_columns    columns of a pandas frame as Arrow arrays, and which values cannot be one
    lease            the scorer that one call has, waited for and given back
    connection_pool  the connections of one content, kept open between calls
    process_pools    the pools of this process; a fork and the process's end
    fork_lock        the lock of all that calls share
    local_plan       the plan of a request for this host
    unpacked_python  the Python of a packed environment, on this machine
"""
