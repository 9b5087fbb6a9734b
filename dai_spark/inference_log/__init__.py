"""What a server was asked and what it answered, as Parquet, and the proof that it was so.

::

    inference_log  calls on their way into files, without a wait for whoever scores
    log_settings   where, how much of it, and which columns are masked
    log_file       one file, which readers see when it is whole
    masked_rows    values that a log must not hold
    verify_log     logged rows scored again, and their bits compared
"""
