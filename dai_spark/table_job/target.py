"""Target: where scores go, in which mode, and what each mode demands of a table that exists."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dai_spark.errors import OptionError, TableExistsError, TableJobError
from dai_spark.table_job.table import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["MODES", "Target"]

MODES = {
    "fail": "the target must not exist",
    "append": "add to the target, whose columns must be the same; creates it if need be",
    "overwrite": "replace the target; creates it if need be",
}


@dataclass(frozen=True)
class Target:
    """A target table and the mode of writing to it."""

    table: TableName
    mode: str

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise OptionError(f"mode={self.mode!r} is none of {', '.join(MODES)}.")

    def check(self, spark: Any, source: TableName) -> "Any":
        """Refuse a target that the mode forbids, before anything is scored.

        Returns
        -------
        StructType or None
            The schema of the target; None where it does not exist.

        Raises
        ------
        TableExistsError, TableJobError
        """
        if (source.format, source.name.rstrip("/")) == (
            self.table.format,
            self.table.name.rstrip("/"),
        ):
            raise TableJobError(
                f"Source and target are both {source.text}; scores go to a table of their own."
            )
        found = self.table.schema_if_exists(spark)
        if found is not None and self.mode == "fail":
            raise TableExistsError(
                f"The target {self.table.text} exists; give --mode append or --mode overwrite, or "
                "another --target."
            )
        return found

    def check_schema(self, existing: "StructType", scored: "StructType") -> None:
        """Refuse to append rows of other columns than the target has.

        Spark would write Parquet files of any columns side by side, and read them with gaps.

        Raises
        ------
        TableJobError
            Names what differs.
        """
        if self.mode != "append" or not existing.fields:
            return
        old = {f.name: f.dataType.simpleString() for f in existing.fields}
        new = {f.name: f.dataType.simpleString() for f in scored.fields}
        differing = [
            f"{name}: target {old.get(name, 'has none')}, scored {new.get(name, 'has none')}"
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
        ]
        if differing:
            raise TableJobError(
                f"The target {self.table.text} has other columns than what would be appended "
                f"({'; '.join(differing)}); change --keep, or give another --target."
            )

    def write(self, scored: "DataFrame") -> None:
        """Write the scored rows; this is the action that scores."""
        mode = "error" if self.mode == "fail" else self.mode
        writer = scored.write.mode(mode)
        if self.table.format is None:
            # Unlike insertInto, this matches columns by name.
            writer.saveAsTable(self.table.name)
        else:
            writer.format(self.table.format).save(self.table.name)
