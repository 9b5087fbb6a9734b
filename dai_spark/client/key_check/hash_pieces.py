"""Hashes of many rows as a few texts of bytes, so that Spark shuffles these and not the rows."""

from typing import Iterator, List, Optional, Tuple

import numpy as np
import pyarrow as pa

__all__ = ["HashPieces", "has_equal"]

# 8 MB of hashes, or 32 KB for each bucket.
_MOST_HASHES = 1 << 20
N_BUCKETS = 256


class HashPieces:
    """The hashes of one task's rows, cut into pieces by bucket: equal hashes have one bucket.

    Runs in a Python worker, one for each task.  Memory holds a million hashes.

    Attributes
    ----------
    n_null : int
        Rows without a hash, which are in no piece.
    """

    def __init__(self) -> None:
        self.n_null = 0
        self._held: List[np.ndarray] = []
        self._n_held = 0

    def add(self, hashes: pa.Array) -> Iterator[Tuple[int, bytes]]:
        """Take the hashes of a batch, and give back pieces where many are held.

        Parameters
        ----------
        hashes : pyarrow.Int64Array
            Null where a part of the key is.

        Yields
        ------
        tuple of int and bytes
            Bucket, and hashes one behind the other.
        """
        self.n_null += hashes.null_count
        found = hashes.drop_null().to_numpy()
        self._held.append(found)
        self._n_held += len(found)
        if self._n_held >= _MOST_HASHES:
            yield from self.rest()

    def rest(self) -> Iterator[Tuple[int, bytes]]:
        """Give back all that is held, as `add` does."""
        if not self._n_held:
            return
        held = np.sort(np.concatenate(self._held))
        self._held, self._n_held = [], 0
        # Sorted by value, a bucket's hashes lie together: it is their highest bits.
        step = 2**64 // N_BUCKETS
        firsts = np.array([step * i - 2**63 for i in range(1, N_BUCKETS)], np.int64)
        bounds = [0, *np.searchsorted(held, firsts).tolist(), len(held)]
        for bucket in range(N_BUCKETS):
            piece = held[bounds[bucket] : bounds[bucket + 1]]
            if len(piece):
                yield bucket, piece.tobytes()


def has_equal(pieces: List[Optional[bytes]]) -> Tuple[int, bool]:
    """Count the hashes of pieces, and look whether any two are equal.

    Runs in a Python worker, once a task, over all pieces of some buckets.

    Parameters
    ----------
    pieces : list of bytes or None
        None for rows without a hash, which are not counted, and are told as if two were equal.
    """
    found = np.frombuffer(b"".join(piece for piece in pieces if piece is not None), np.int64)
    found = np.sort(found)
    return len(found), bool(None in pieces or (found[1:] == found[:-1]).any())
