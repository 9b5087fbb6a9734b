"""A key's uniqueness, as tasks prove it: hashes of 64 bits, many to a row of Spark's.

::

    key_hash      a hash of each row's key, where tasks read the key's columns from files
    hash_pieces   the hashes of a task's rows, cut by their highest bits; equal ones found
    key_bodies    what Spark calls
"""
