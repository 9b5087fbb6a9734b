"""Files of a table, read by a task itself: row groups of Parquet as Arrow, no row of Spark's.

::

    unproved       why tasks may not read files themselves
    file_types     which types of a file's columns Spark and Arrow read alike: one table
    iceberg_types  the same for the columns of an Iceberg table
    file_columns   which column of a file a table's column is, by name or by field id
    footers        what a file says of itself, and why Spark must read it
    look_body      the same by a task, where the driver does not see the files
    task_files     what a task is told to read, as it travels
    row_groups     the batches of a task's files
"""
