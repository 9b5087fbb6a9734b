"""The table job: a source table scored into a target table, on a schedule, nothing lost or doubled.

::

    run          score_table: arguments to a run
    batch        BatchRun: lock, checks, work, report; `stream` does it for each micro-batch
    job          TableJob: all that a user may say; `arguments`, `config`, `epilog` are its faces

    table        a catalog table or FORMAT:PATH, read at a version
    source       what is scored, pinned; `new_rows` which rows of it, `changes` by its own log
    key          unique and not null
    output       the columns that the target gets
    target/      one file for each kind of table: how it commits, and what it promises
    folder       files beside a table, by Spark's file systems; `lock` is one of them
    write        straight into the target, or staged; `quarantine` for rows that cannot be scored
    lineage      which pipeline and run a row is from; the record in each commit
    last_run     what a run leaves for the next one to compare with

    refusal      an error before anything was scored; `status` its exit status
    preflight    a dry run's check-list; `verify` rows scored again
    distribution how predictions lie; `drift` how far they moved, `example_rows` the export's own
    report       what was done; `summary` makes it, `page` and `pictures` draw it
"""
