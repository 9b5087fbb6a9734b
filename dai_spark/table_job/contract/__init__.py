"""What a run must be like to be committed: ``--contract FILE``.

::

    terms       what a file demands, checked as far as words alone can be
    read        the file
    acceptance  the look at a run before its commit
    judge       a run held against it: a line each, found and allowed
"""
