"""What a user may say of a job, and the ways to say it.

::

    job_words      all settings: their names, types and defaults
    together       which of them go together
    job            TableJob: settings that can be meant
    spelling       names of columns as a table spells them
    job_arguments  what `score_table` takes as keywords, for editors
    arguments      the command line, laid over ``--config`` and handed to `score_table`
    flags          each flag of the command line, but for
    scoring_flags  those of how a row is scored
    flag_kinds     lists of names, switches both ways, NAME=VALUE
    secrets        texts without what stands in options for nobody else to read
    toml_config    the file behind ``--config``
    help_text      what stands below the flags in ``--help``
"""
