"""What a run is held to, before and behind its commit.

::

    preflight     what is looked at before anything is scored, and what a dry run tells besides
    row_guard     fewer rows than there should be, or none, leave the target as it is
    checkpoint    a stream's place, held against the batches that the target holds
    verify        rows of the target scored again
"""
