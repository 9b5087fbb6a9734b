"""LogSettings: where calls are logged, how much of them, and which columns are masked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

from dai_spark.errors import OptionError

__all__ = ["LogSettings"]


@dataclass(frozen=True)
class LogSettings:
    """How calls are logged.

    Attributes
    ----------
    folder : Path
    sample : float, default 1
        Share of the calls that are logged, each whole.
    hashed : tuple of str
        Columns whose values are replaced by a keyed hash: equal values stay equal, and none can be
        told.
    left_out : tuple of str
        Columns that are not logged.
    hash_key : bytes, optional
        Of `hashed`; without one each server takes one of its own and forgets it, so that hashes of
        two servers cannot be compared.
    most_file_bytes : int, default 64 MiB
        A file is closed when its rows (of Arrow) are so many bytes.
    most_file_s : float, default 300
        And when it is so old.
    most_waiting_bytes : int, default 64 MiB
        Rows that wait to be written; further ones are dropped and counted.

    Raises
    ------
    OptionError
    """

    folder: Path
    sample: float = 1.0
    hashed: Tuple[str, ...] = ()
    left_out: Tuple[str, ...] = ()
    hash_key: Optional[bytes] = None
    most_file_bytes: int = 64 << 20
    most_file_s: float = 300.0
    most_waiting_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if not 0 < self.sample <= 1:
            raise OptionError(
                f"The share of calls to log is {self.sample:g}; it is above 0 and at most 1."
            )
        both = sorted(set(self.hashed) & set(self.left_out))
        if both:
            raise OptionError(
                f"{', '.join(both)} cannot be both hashed and left out of the log; name it once."
            )
        if self.hash_key is not None and len(self.hash_key) < 16:
            raise OptionError("The key of hashes in the log has fewer than 16 bytes; take 32.")

    def check_columns(self, columns: "Tuple[str, ...]") -> None:
        """Refuse names that are no columns of the pipeline: a misspelled one would be logged.

        Parameters
        ----------
        columns : tuple of str

        Raises
        ------
        OptionError
        """
        unknown = [name for name in (*self.hashed, *self.left_out) if name not in columns]
        if unknown:
            raise OptionError(
                f"{', '.join(unknown)} cannot be masked in the log: the pipeline reads no such "
                f"column; it reads {', '.join(columns[:50])}."
            )
