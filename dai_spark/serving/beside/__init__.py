"""Pipelines that score beside the one that is served.

::

    split        a share of the rows is answered by a second pipeline
    shadow       a second pipeline scores what the first one answers, and is compared
    open_beside  a server's pipelines, opened together
"""
