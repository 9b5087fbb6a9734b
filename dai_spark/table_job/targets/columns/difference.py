"""Difference: what a table has, and what would be written into it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, List, Sequence, Tuple

from dai_spark.driver.schema import quoted, sql_type

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

__all__ = ["Difference", "how_to_do_without", "unlike"]

# Integers by width; a wider one holds every value of those before it.
_INTEGERS = ("tinyint", "smallint", "int", "bigint")


@dataclass
class Difference:
    """How the columns that would be written differ from a table's.

    Attributes
    ----------
    added : list of (str, str)
        Columns, or fields of a struct, that the table lacks, with their SQL types.
    widened : list of (str, str, str)
        Those of a type that holds every value of the table's, with that type, and both in words.
    lacking : list of StructField
        Columns that the table has and nothing would be written into.
    wrong : list of str
        What no table takes, in words.
    """

    added: List[Tuple[str, str]] = field(default_factory=list)
    widened: List[Tuple[str, str, str]] = field(default_factory=list)
    lacking: List[Any] = field(default_factory=list)
    wrong: List[str] = field(default_factory=list)

    @classmethod
    def of(cls, old: "StructType", new: "StructType", inferred: Sequence[str] = ()) -> "Difference":
        """Compare two schemas, in which case tells no names apart.

        Parameters
        ----------
        old : StructType
            The table's.
        new : StructType
            What would be written.
        inferred : sequence of str
            Columns whose type a reader infers, so it does not tell what was written.
        """
        found = cls()
        found._compare(old, new, "", {name.lower() for name in inferred})
        return found

    def _compare(
        self, old: "StructType", new: "StructType", prefix: str, inferred: "set[str]"
    ) -> None:
        from pyspark.sql.types import StructType

        before = {f.name.lower(): f for f in old.fields}
        after = {f.name.lower(): f for f in new.fields}
        for name, one in after.items():
            full = f"{prefix}{quoted(one.name)}"
            if name not in before:
                self.added.append((full, sql_type(one.dataType)))
                continue
            there = before[name]
            if isinstance(one.dataType, StructType) and isinstance(there.dataType, StructType):
                self._compare(there.dataType, one.dataType, f"{full}.", set())
            elif name in inferred or _same(there.dataType, one.dataType):
                continue
            elif _is_wider(there.dataType, one.dataType):
                differs = unlike(full, there.dataType, one.dataType)
                self.widened.append((full, sql_type(one.dataType), differs))
            else:
                self.wrong.append(unlike(full, there.dataType, one.dataType))
        for name, there in before.items():
            if name not in after and not prefix:
                self.lacking.append(there)
            elif name not in after:
                shown = f"{prefix}{there.name}".replace("`", "")
                kind = there.dataType.simpleString()
                self.wrong.append(f"{shown}: target {kind}, scored has none")


def how_to_do_without(columns: Sequence[Any], table: str) -> str:
    """Return what a message tells to do where a run would leave columns empty.

    Parameters
    ----------
    columns : sequence of StructField
    table : str
        What SQL calls it.
    """
    names = ", ".join(column.name for column in columns)
    first = columns[0]
    null = f"CAST(NULL AS {first.dataType.simpleString().upper()}) AS {quoted(first.name)}"
    return (
        f"bring {names} back in the source (a view may have it as {null}), take it out of the "
        f"target (ALTER TABLE {table} DROP COLUMN {quoted(first.name)})"
    )


def unlike(full: str, there: "DataType", one: "DataType") -> str:
    """Say how a column, or a field of a struct, differs.

    Parameters
    ----------
    full : str
        Its name, perhaps quoted.
    there, one : DataType
        The table's type, and that of what would be written.
    """
    shown = full.replace("`", "")
    return f"{shown}: target {there.simpleString()}, scored {one.simpleString()}"


def _same(old: "DataType", new: "DataType") -> bool:
    return old.simpleString() == new.simpleString()


def _is_wider(old: "DataType", new: "DataType") -> bool:
    """Whether a type holds every value of another one, as Delta and Iceberg both see it."""
    from pyspark.sql.types import DecimalType

    one, other = old.simpleString(), new.simpleString()
    if isinstance(old, DecimalType) and isinstance(new, DecimalType):
        return old.scale == new.scale and old.precision < new.precision
    if one in _INTEGERS and other in _INTEGERS:
        return _INTEGERS.index(one) < _INTEGERS.index(other)
    return (one, other) == ("float", "double")
