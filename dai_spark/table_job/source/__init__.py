"""Which rows are scored.

::

    source       the table, pinned to a version, with the pipeline's names for its columns
    new_rows     which of its rows a run scores
    mark         how far a job has come, as the target's commits tell
    moment       what expressions such as current_date() make of the moment of a run
    changes      the rows that the source's own change log names
    deleted_keys what the target still holds and the source no longer does
    key          the columns that tell rows apart: unique and not null
"""
