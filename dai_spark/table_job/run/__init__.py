"""The steps of a run, and the conductors that call them in order.

::

    batch         one run over a table as it is now
    stream        a run for each micro-batch of a structured streaming query

    checks/       what a run is held to, before and behind its commit

    tables        source and target, before the run holds the lock and under it
    identity      which run this is, and whether it was committed before
    context       what all later steps share
    measured      rows counted and measured while they are scored
    write         straight into the target, or over staged rows
    staging       rows beside the target, and the commit that takes them in
    settle        rows leave the quarantine when they have been scored anew
    quarantine    bad rows, told from the good ones and kept in a table of their own
    write_result  what was written, in rows and seconds
    summary       what a run has found so far, as a report
"""
