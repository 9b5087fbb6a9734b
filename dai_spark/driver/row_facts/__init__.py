"""What tasks find out of rows, as the driver learns it.

::

    rows_measure   how the rows of one DataFrame lie, while they are scored
    key_hashes     how many rows there are, and whether a key tells them apart
"""
