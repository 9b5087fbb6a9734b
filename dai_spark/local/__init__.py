"""Scoring on this machine with no Spark and no JVM.

::

    pandas_call  score_pandas: a pandas DataFrame in, one out
    plan         the plan of a request for this host
    interpreter  the Python of a packed environment, on this machine
"""
