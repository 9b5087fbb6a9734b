"""TableName: what `--source` and `--target` may say, and how Spark reads it."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from dai_spark.errors import OptionError, TableJobError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["TableName"]

_FORMATS = ("parquet",)
_WITH_FORMAT = re.compile(r"^([a-z][a-z0-9_]*):(.+)$", re.DOTALL)
# Spark's error classes for "there is nothing": of a path, and of a catalog table.
_ABSENT = ("PATH_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND", "Path does not exist")
_EMPTY_FOLDER = "UNABLE_TO_INFER_SCHEMA"


@dataclass(frozen=True)
class TableName:
    """A catalog table (``lake.db.customers``), or files of a format (``parquet:PATH``).

    Attributes
    ----------
    text : str
        As the user wrote it; what messages call it.
    format : str or None
        None for a catalog table.
    name : str
        The catalog's name, or the path.
    """

    text: str
    format: Optional[str]
    name: str

    @classmethod
    def of(cls, text: str) -> "TableName":
        """Read ``lake.db.table`` or ``parquet:PATH``.

        Raises
        ------
        OptionError
            Another format, or no name.
        """
        match = _WITH_FORMAT.match(text)
        if match is None:
            if not text.strip() or "/" in text:
                raise OptionError(
                    f"{text!r} names no table; give a catalog table (db.table) or parquet:PATH."
                )
            return cls(text, None, text)
        if match.group(1) not in _FORMATS:
            raise OptionError(
                f"{text!r} is of format {match.group(1)}; the formats are {', '.join(_FORMATS)}, "
                "or give a catalog table (db.table)."
            )
        return cls(text, match.group(1), match.group(2))

    def read(self, spark: Any) -> "DataFrame":
        """Return the table as a DataFrame; its schema is read, its rows are not.

        Raises
        ------
        TableJobError
            Nothing is there, or it is not of its format.
        """
        found = self._try_read(spark)
        if found is None:
            raise TableJobError(f"There is no table {self.text}; check the name, or the path.")
        return found

    def schema_if_exists(self, spark: Any) -> "Any":
        """The table's schema, None where nothing is there, and an empty one for an empty folder."""
        from pyspark.sql.types import StructType

        try:
            found = self._try_read(spark)
        except TableJobError as error:
            if _EMPTY_FOLDER in error.message:
                return StructType([])
            raise
        return None if found is None else found.schema

    def _try_read(self, spark: Any) -> "Optional[DataFrame]":
        try:
            if self.format is None:
                frame: DataFrame = spark.table(self.name)
            else:
                frame = spark.read.format(self.format).load(self.name)
            # Connect resolves nothing before the schema is asked for.
            _ = frame.schema
        except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
            text = str(error)
            if any(word in text for word in _ABSENT):
                return None
            raise TableJobError(
                f"Table {self.text} cannot be read: {text.strip().partition(chr(10))[0]}"
            ) from None
        return frame
