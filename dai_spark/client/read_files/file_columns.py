"""Which column of a file a table's column is: by its name, or by Iceberg's number of it."""

from typing import Dict, List, Optional, Sequence

import pyarrow as pa

from dai_spark.client.read_files.unproved import Unproved

__all__ = ["FileColumns"]

_FIELD_ID = b"PARQUET:field_id"


class FileColumns:
    """The columns of a file, as they are found for those of a table.

    Parameters
    ----------
    schema : pyarrow.Schema
        The file's.
    is_case_sensitive : bool
        Whether Spark tells names apart by case.
    """

    def __init__(self, schema: pa.Schema, is_case_sensitive: bool) -> None:
        self._schema = schema
        self._names = _Names(schema.names, is_case_sensitive)
        self._by_id: Optional[Dict[int, str]] = None

    def of(self, name: str, field_id: Optional[int] = None) -> Optional[str]:
        """The name that the file has for a column; None where it is without it.

        Parameters
        ----------
        name : str
            The table's name.
        field_id : int, optional
            The table's number of it, which then counts instead of the name.

        Raises
        ------
        Unproved
            Several columns of the file could be meant.
        """
        if field_id is None:
            return self._names.of(name)
        if self._by_id is None:
            self._by_id = _names_by_id(self._schema)
        return self._by_id.get(field_id)


def _names_by_id(schema: pa.Schema) -> Dict[int, str]:
    """The file's names by field id: each column has an id of its own, and a name of its own."""
    found: Dict[int, str] = {}
    for field in schema:
        told = (field.metadata or {}).get(_FIELD_ID, b"")
        if not told.isdigit():
            raise Unproved(f"a file has column {field.name} without a field id")
        if int(told) in found:
            raise Unproved(f"a file has several columns of field id {int(told)}")
        found[int(told)] = field.name
    if len(set(found.values())) != len(found):
        # Arrow chooses what it reads by name.
        raise Unproved("a file has several columns of one name")
    return found


class _Names:
    """The names of a file's columns, as Spark finds them for those of a table."""

    def __init__(self, names: Sequence[str], is_case_sensitive: bool) -> None:
        self._is_case_sensitive = is_case_sensitive
        self._fitting: Dict[str, List[str]] = {}
        for name in names:
            self._fitting.setdefault(self._key(name), []).append(name)

    def _key(self, name: str) -> str:
        return name if self._is_case_sensitive else name.lower()

    def of(self, wanted: str) -> Optional[str]:
        fitting = self._fitting.get(self._key(wanted), [])
        # The rules of Java and of Python for other letters than these need not be the same.
        if not (self._is_case_sensitive or wanted.isascii() or fitting == [wanted]):
            raise Unproved(f"column {wanted} has letters whose case Spark alone can tell")
        if len(fitting) > 1:
            raise Unproved(f"a file has several columns {wanted}: {', '.join(fitting)}")
        return fitting[0] if fitting else None
