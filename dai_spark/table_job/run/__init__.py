"""The steps of a run, and the conductors that call them in order.

::

    batch         one run over a table as it is now
    stream        a run for each micro-batch of a structured streaming query

    tables        source and target, before the run holds the lock and under it
    checkpoint    a stream's place, held against the batches that the target holds
    identity      which run this is, and whether it was committed before
    context       what all later steps share
    preflight     what is looked at before anything is scored, and what a dry run tells besides
    row_guard     fewer rows than there should be, or none, leave the target as it is
    write         straight into the target, or over staged rows
    staging       rows beside the target, and the commit that takes them in
    bad_rows/     rows that cannot be scored: set apart, and taken back
    write_result  what was written, in rows and seconds
    verify        rows of the target scored again
    summary       what a run has found so far, as a report
"""
