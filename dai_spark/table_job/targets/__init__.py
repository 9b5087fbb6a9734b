"""Where scores go: one file for each kind of table, and what it can promise.

::

    base            what a kind of table promises, and what is checked for all of them
    choose          which kind a target is
    delta           Delta Lake: transaction ids, MERGE, commits that carry the run's record
    iceberg         Apache Iceberg: snapshots that carry the run's record, MERGE
    file_table      Parquet, ORC, CSV, JSON, Avro: written aside, renamed into place, with a journal
    other           whatever else Spark writes to (JDBC): Spark's own writer and no promise

    target_columns  the columns that a target gets, made of scored rows
    merge_sql       the MERGE statement, and the session that it runs in
"""
