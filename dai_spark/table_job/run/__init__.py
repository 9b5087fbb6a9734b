"""The steps of a run, and the conductors that call them in order.

::

    batch        one run over a table as it is now
    stream       a run for each micro-batch of a structured streaming query

    preflight    a dry run's check-list, and how long the run would take
    write        straight into the target, or over staged rows
    quarantine   the table of rows that cannot be scored
    verify       rows of the target scored again
    summary      what a run knows, as a report
"""
