"""Rows without the values that a log must not hold."""

import hashlib
import hmac
from typing import Dict, List, Optional, Sequence

import pyarrow as pa

__all__ = ["masked_rows"]


def masked_rows(
    table: pa.Table, hashed: Sequence[str], left_out: Sequence[str], key: bytes
) -> pa.Table:
    """The same rows with hashes in place of some values, and without some columns.

    Parameters
    ----------
    table : pyarrow.Table
    hashed, left_out : sequence of str
        Those that the table does not have are passed over.
    key : bytes
        Of HMAC-SHA-256.  A column's name is part of what is hashed, so that equal values of two
        columns are not seen to be equal.
    """
    for name in hashed:
        at = table.schema.get_field_index(name)
        if at < 0:
            continue
        known: Dict[object, str] = {}
        hashes: List[Optional[str]] = []
        for value in table.column(at).to_pylist():
            if value is None:
                hashes.append(None)
                continue
            # Of the text, since 1 and 1.0 are one key and equal in Python.
            text = f"{name}\0{value!r}"
            if text not in known:
                known[text] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]
            hashes.append(known[text])
        table = table.set_column(at, name, pa.array(hashes, pa.string()))
    there = [name for name in left_out if name in table.column_names]
    return table.drop_columns(there) if there else table
