"""The table job: a source table scored into a target table, on a schedule, nothing lost or doubled.

::

    score_table   the function: arguments to a run
    table_name    a catalog table or FORMAT:PATH, read at a version
    table_place   absolute paths; whether two names are one table
    table_identity  one text for one table, however its name is spelled
    run_events    a run told to a data catalogue (OpenLineage)
    lineage       which pipeline and run a row is from; the record in each commit

    settings/     what a user may say: keywords, flags, a TOML file
    source/       which rows are scored
    targets/      one file for each kind of table: how it commits, and what it promises
    work_folder/  what lies beside a target: lock, staged rows, figures of the last run
    contract/     what a run must be like to be committed
    run/          the steps of a run, and the two conductors: a batch, a stream
    report/       what was done, for people and for schedulers
"""
