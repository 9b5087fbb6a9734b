"""Proves that a packed environment runs where nothing of the building machine is.

::

    environment_check   check_environment and its CheckReport
    smoke_test          scores the example rows of an export in the environment
    sandbox             runs programs that see nothing but the environment and the C library
"""
