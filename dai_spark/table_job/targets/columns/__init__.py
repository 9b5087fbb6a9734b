"""The columns of a target: what they are called, what they demand, and when their values differ.

::

    target_columns  the columns that a target gets, made of scored rows
    table_columns   the columns and partitions that a table has, and what it takes besides
    names           names and types as a format takes them, and as a table spells them
    difference      what a table has, and what would be written
    comparison      SQL that tells whether two values of any type differ
    demands         what a table demands of its rows: CHECK, NOT NULL, lengths, generated values
"""
