"""Where the Python of an environment comes from.

::

    python_source    PythonSource: prepare, then settle; LocalPython copies one of this machine
    interpreter      finds a Python of a minor version on this machine
    relocate         copies it so that the copy runs wherever it lies
    conda_python     CondaPython: the Python and packages of conda channels
    conda_channels   solves, locks and fetches conda packages
"""
