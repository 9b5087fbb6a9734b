"""Which rows are scored.

::

    source        the table, pinned to a version, with the pipeline's names for its columns
    new_rows      which of its rows a run scores
    mark          how far a job has come, as the target's commits tell
    moment        what expressions such as current_date() make of the moment of a run
    since_column  the column of --since, and what a mark of its type is
    known_rows    what the target holds already, by its key
    quarantined   rows that lie in the quarantine, to be scored once more
    changes       the rows that the source's own change log names
    deleted_keys  what the target still holds and the source no longer does
    view_version  what a view shows, by its text and the tables below it
    key           the columns that tell rows apart: unique and not null
"""
