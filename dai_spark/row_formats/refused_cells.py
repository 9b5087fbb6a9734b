"""RefusedCells: values of rows that do not fit, collected so that one error names many."""

import json
from typing import Any, List, NoReturn, Tuple

from dai_spark.errors import RefusedValuesError
from dai_spark.row_formats.strict_json import UnreadNumber

__all__ = ["RefusedCells", "shown"]

_MOST_NAMED = 20
_MOST_CHARS = 60


class RefusedCells:
    """Values that the pipeline cannot be given as they stand.

    Parameters
    ----------
    where : str
        What an error calls the rows: ``"The JSON"``.
    first_row : int, default 0
        Number of the first row, where they are a part of a file.
    """

    def __init__(self, where: str, first_row: int = 0) -> None:
        self._where = where
        self._first_row = first_row
        self._found: List[Tuple[int, str, str]] = []
        self._n_found = 0

    def add(self, row: int, column: str, why: str) -> None:
        """Add one.

        Parameters
        ----------
        row : int
            Its number among these rows.
        column : str
            Empty for a row that is none.
        why : str
            The value, and what is wrong with it.
        """
        self._n_found += 1
        self._found.append((self._first_row + row, column, why))
        if len(self._found) > 50 * _MOST_NAMED:
            self._keep_first()

    def _keep_first(self) -> None:
        # By row, and within a row in the order in which columns were looked at.
        self._found.sort(key=lambda found: found[0])
        del self._found[_MOST_NAMED:]

    def __bool__(self) -> bool:
        return self._n_found > 0

    def check(self) -> None:
        """Raise where there are any.

        Raises
        ------
        RefusedValuesError
            Names the first twenty of them by row and column, and how many more there are.
        """
        if self._n_found:
            self._raise()

    def _raise(self) -> NoReturn:
        self._keep_first()
        named = [
            f"row {row}, column {column}: {why}" if column else f"row {row}: {why}"
            for row, column, why in self._found
        ]
        more = self._n_found - len(named)
        error = RefusedValuesError(
            f"{self._where} cannot be given to the pipeline unchanged: {'; '.join(named)}"
            f"{f'; and {more} more' if more else ''}. Rows count from 0."
        )
        error.offenders = tuple(self._found)
        raise error


def shown(value: Any) -> str:
    """A value as its sender wrote it, cut where it is long."""
    if isinstance(value, UnreadNumber):
        text = str(value)
    else:
        try:
            # Only some of a text that is long is made readable.
            part = value[: 2 * _MOST_CHARS] if isinstance(value, str) else value
            text = json.dumps(part, ensure_ascii=isinstance(value, str) and not value.isprintable())
        except (TypeError, ValueError, RecursionError):
            text = type(value).__name__
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."
