"""What is asked, and what is decided of it before a row is scored.

::

    options              every setting that is neither a file nor a column
    option_arguments     the options as keywords that an editor shows
    ranges               what numbers, times and flags may be
    default_environment  what `env=` is where it is left out
    chosen_files         what `pipeline=` and `env=` come down to, models of MLflow's too
    request              pipeline, environment, licence and options of one caller, checked
    packed_function      a task's function in few bytes, with the licence beside them
    plan                 what a task needs to score: plain data that travels
    described_before     what pipelines have said of themselves, kept on this host
    doubts               what of it a user is warned of
    spark_versions       where versions of Spark differ, and what is done about it
    executor_memory      whether an executor's container has room for the scorers
"""
