"""Names of columns as a table spells them: Spark does not tell upper case from lower."""

from typing import Sequence

__all__ = ["as_spelt"]


def as_spelt(name: str, columns: Sequence[str]) -> str:
    """Return a name as a table spells it: that of its columns that differs in nothing but case.

    Parameters
    ----------
    name : str
        Comes back as it is where no column, or more than one, is meant.
    columns : sequence of str
    """
    if name in columns:
        return name
    alike = [column for column in columns if column.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name
