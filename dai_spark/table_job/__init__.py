"""The table job: a source table scored into a target table.

::

    arguments  what `jobs/score_table.py --help` shows
    table      SRC and DST: a catalog table or FORMAT:PATH
    target     modes, and what each demands of a target that exists
    report     what was done
    run        score_table: source -> score -> target
"""
