"""Where scores go: one file for each kind of table, and what it can promise.

::

    base            what a kind of table promises, and what is checked for all of them
    kept_marks      marks as properties of the table, where maintenance drops its history
    choose          which kind a target is
    commits         what a table's kept history says of the runs whose rows it holds
    delta           Delta Lake: transaction ids, MERGE, commits that carry the run's record
    iceberg         Apache Iceberg: snapshots that carry the run's record, MERGE
    file_table      Parquet, ORC, CSV, JSON, Avro: written aside, renamed into place, with a journal
    other           whatever else Spark writes to (JDBC): Spark's own writer and no promise

    target_columns  the columns that a target gets, made of scored rows
    merge_sql       the MERGE statement, and the session that it runs in
"""
