"""Where scores go: one file for each kind of table, and what it can promise.

::

    audit_branch    a branch of an Iceberg table, shown to readers behind all checks
    base            what a kind of table promises, and what is checked for all of them
    kept_marks      marks as properties of the table, where maintenance drops its history
    choose          which kind a target is
    commits         what a table's kept history says of the runs whose rows it holds
    delta           Delta Lake: transaction ids, MERGE, commits that carry the run's record
    iceberg         Apache Iceberg: snapshots that carry the run's record, MERGE
    file_table      Parquet, ORC, CSV, JSON, Avro: written aside, renamed into place, with a journal
    text_files      what CSV and JSON files do not tell of themselves
    jdbc            a table of a database: scored beside it, taken in by one transaction
    other           whatever else Spark writes to: Spark's own writer and no promise

    merge_sql       the MERGE statement, and the session that it runs in

    columns/        what a target's columns are called and demand
"""
