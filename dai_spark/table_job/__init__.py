"""The table job: a source table scored into a target table.

::

    job        TableJob: everything that a user may say of one job
    arguments  what `jobs/score_table.py --help` shows; epilog: what stands below the options
    config     the same from a file
    status     how a run ended, as a word and as an exit status
    table      SRC and DST: a catalog table or FORMAT:PATH
    target     modes, and what each demands of a target that exists
    report     what was done
    run        score_table: source -> score -> target
"""
