"""Rows that cannot be scored.

::

    quarantine  bad rows, told from the good ones and kept in a table of their own
    settle      rows leave the quarantine when they have been scored anew
"""
