"""What a user may say of a job, and the ways to say it.

::

    job            TableJob: all settings, checked as far as words alone can be
    amount         numbers of rows, or percent of them
    pairs          settings that want, or exclude, each other
    job_arguments  what `score_table` takes as keywords, for editors
    arguments      the command line, laid over ``--config`` and handed to `score_table`
    flags          each flag of the command line, but for
    scoring_flags  those of how a row is scored
    flag_kinds     lists of names, switches both ways, NAME=VALUE
    secrets        texts without what stands in options for nobody else to read
    toml_config    the file behind ``--config``
    help_text      what stands below the flags in ``--help``
"""
