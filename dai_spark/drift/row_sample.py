"""RowSample: a few thousand rows of a table, taken out of the partitions as they pass.

How many rows will come is not known while they pass: a row is taken by a hash of its place, the
more easily the earlier it comes, and at the end those stay that any place would have been taken by.
So one row of the table is as likely as another, and no order of the rows, such as a period, can
mislead.  A partition that is read again gives the same rows.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Mapping

import numpy as np

from dai_spark.drift.input_column import MOST_CHARS, InputColumn, measured_column

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["MOST_ROWS", "PLACE_BITS", "RowSample"]

# All rows of a table of so many are looked at, and at least half as many of a larger one.
MOST_ROWS = 2_048
# Of a row's number within the table; the others are the partition's, as Spark numbers rows.
PLACE_BITS = 33
# A hash has one row in 2**n whose lowest bit that is set is the n-th or a higher one.
_HASH_BITS = 40


@dataclass
class RowSample:
    """Rows of a table, each with how rare it is, and how many there were.

    Filled in a Python worker, merged on the driver.

    Attributes
    ----------
    is_number : mapping of str to bool
        The columns that are looked at: numbers, or texts and truth values.
    n_rows : int
        That have passed.
    last : int
        The largest place; places are the larger the later the partition.
    rows : list of tuple
        A row's number, how rare it is (one in so many), and its values.
    """

    is_number: Mapping[str, bool] = field(default_factory=dict)
    n_rows: int = 0
    last: int = 0
    rows: List[Any] = field(default_factory=list)

    def add(self, batch: "pa.RecordBatch", partition: int, first_row: int) -> None:
        """Look at a partition's next rows.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
        partition : int
        first_row : int
            How many of the partition came before.
        """
        if not batch.num_rows:
            return
        places = np.arange(first_row, first_row + batch.num_rows, dtype="int64")
        numbers = places + (partition << PLACE_BITS)
        # Nobody says how many partitions there are; so the first gives most rows, the n-th an n-th
        # of that, and all together few times as many.
        scaled = places * (partition + 1)
        self.n_rows += batch.num_rows
        self.last = max(self.last, int(scaled[-1]))
        rarity = _rarity(numbers)
        taken = np.flatnonzero(scaled < MOST_ROWS * rarity)
        if not taken.size:
            return
        import pyarrow

        chosen = pyarrow.array(taken)
        columns = [
            _plain(batch.column(batch.schema.get_field_index(name)).take(chosen), is_number)
            for name, is_number in self.is_number.items()
        ]
        self.rows += zip(numbers[taken].tolist(), rarity[taken].tolist(), *columns)

    def merge(self, other: "RowSample") -> None:
        """Take in the rows of other partitions.

        Parameters
        ----------
        other : RowSample
        """
        self.is_number = self.is_number or other.is_number
        self.n_rows += other.n_rows
        self.last = max(self.last, other.last)
        self.rows += other.rows
        self.thin()

    def thin(self) -> None:
        """Leave out rows that a table of so many rows has no need of."""
        one_in = 1
        while self.last >= MOST_ROWS * one_in:
            one_in *= 2
        self.rows = [row for row in self.rows if row[1] >= one_in]

    def measured(self) -> Dict[str, InputColumn]:
        """How each column lies; empty where there was no row."""
        if not self.n_rows:
            return {}
        self.thin()
        # In the table's order, in whatever order tasks have ended.
        rows = sorted(self.rows, key=lambda row: row[0])
        return {
            name: measured_column([row[2 + i] for row in rows], is_number, self.n_rows)
            for i, (name, is_number) in enumerate(self.is_number.items())
        }


def _plain(column: "pa.Array", is_number: bool) -> List[Any]:
    import pyarrow

    if is_number:
        return [None if value is None else float(value) for value in column.to_pylist()]
    if pyarrow.types.is_boolean(column.type):
        return [None if value is None else str(value).lower() for value in column.to_pylist()]
    # Spark's texts need not be UTF-8.
    texts = column.cast(pyarrow.binary()).to_pylist()
    return [None if text is None else _text(text) for text in texts]


def _text(text: bytes) -> str:
    return text[: 4 * MOST_CHARS].decode("utf-8", "replace")[:MOST_CHARS]


def _rarity(numbers: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """One row in so many is at least so rare: the lowest bit of a hash that is set."""
    top = np.int64(1 << _HASH_BITS)
    digits = (_hashes(numbers) & (top - 1)) | top
    rarity: NDArray[np.int64] = digits & -digits
    return rarity


def _hashes(numbers: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """xxhash64, as Spark has it of a long."""
    one, two, three, four, five = (
        np.uint64(prime)
        for prime in (
            0x9E3779B185EBCA87,
            0xC2B2AE3D27D4EB4F,
            0x165667B19E3779F9,
            0x85EBCA77C2B2AE63,
            0x27D4EB2F165667C5,
        )
    )
    start = np.uint64((42 + int(five) + 8) % (1 << 64))
    found = start ^ (_turned(numbers.view("uint64") * two, 31) * one)
    found = _turned(found, 27) * one + four
    found = (found ^ (found >> np.uint64(33))) * two
    found = (found ^ (found >> np.uint64(29))) * three
    hashes: NDArray[np.int64] = (found ^ (found >> np.uint64(32))).view("int64")
    return hashes


def _turned(numbers: "NDArray[np.uint64]", by: int) -> "NDArray[np.uint64]":
    turned: NDArray[np.uint64] = (numbers << np.uint64(by)) | (numbers >> np.uint64(64 - by))
    return turned
