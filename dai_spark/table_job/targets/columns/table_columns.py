"""TableColumns: the columns and partitions that a table has, and what it takes besides."""

from abc import ABC, abstractmethod
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)

from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.spelling import as_spelt
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.columns.comparison import check_comparable
from dai_spark.table_job.targets.columns.demands import Demand
from dai_spark.table_job.targets.columns.difference import Difference, how_to_do_without
from dai_spark.table_job.targets.columns.names import safe_name

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["TableColumns"]


class TableColumns(ABC):
    """A target's columns and partitions, held against the rows to be written.

    Lives on the driver.

    Parameters
    ----------
    spark, job, table, schema
        See `Target`.

    Attributes
    ----------
    can_evolve : bool
        Whether a column that is added is seen by every reader of the table.
    """

    can_evolve: ClassVar[bool] = False

    def __init__(
        self, spark: Any, job: TableJob, table: TableName, schema: "Optional[StructType]"
    ) -> None:
        self.spark = spark
        self.job = job
        self.table = table
        self.schema = schema

    @property
    def unsafe(self) -> str:
        """Characters that the format refuses in column names."""
        return ""

    @abstractmethod
    def records(self) -> Iterator[Optional[RunRecord]]:
        """The record of each commit, newest first; None for one that is not a run of ours."""

    def partitioning(self) -> Tuple[str, ...]:
        """What the table that is there is partitioned by: columns, or transforms (``days(ts)``)."""
        return ()

    @property
    def is_new(self) -> bool:
        """Whether the table is not there, or is a folder without anything."""
        return self.schema is None or not self.schema.fields

    @property
    def partition_by(self) -> Tuple[str, ...]:
        """What rows are partitioned by: as the table that is there says, else as the job does."""
        if not self.is_new:
            return self.partitioning()
        return tuple(self.name_of(name) for name in self.job.partition_by)

    def check_schema(self, scored: "StructType") -> Difference:
        """Hold the columns to be written against those of a target that exists.

        Parameters
        ----------
        scored : StructType
            The columns to be written.

        Returns
        -------
        Difference
            Columns, or fields of a struct, that are to be added or widened.

        Raises
        ------
        TableJobError
            Names all that differs; before anything is scored.
        """
        self._check_partitions()
        check_comparable(scored, [self.name_of(name) for name in self.job.key])
        if self.schema is None or not self.schema.fields:
            self._check_new(scored)
            return Difference()
        found = Difference.of(self.schema, scored, self.inferred_columns())
        wrong = list(found.wrong)
        may_evolve = self.job.evolve_schema and self.can_evolve
        hints = []
        if found.added and not may_evolve:
            shown = [(name.replace("`", ""), kind) for name, kind in found.added]
            wrong += [f"{name}: target has none, scored {kind}" for name, kind in shown]
            hints += ["allow new columns (--evolve-schema)"] if self.can_evolve else []
        if not (may_evolve and self.can_widen()):
            wrong += [unlike for _, _, unlike in found.widened]
            hints += self.how_to_widen() if found.widened else []
        lacking = self._lacking(found.lacking)
        wrong += [f"{f.name}: target {f.dataType.simpleString()}, scored has none" for f in lacking]
        hints += [how_to_do_without(lacking, self.table.sql)] if lacking else []
        if wrong:
            also = "".join(f", {hint}" for hint in dict.fromkeys(hints))
            raise TableJobError(
                f"The target {self.table.text} has other columns than what would be written "
                f"({'; '.join(wrong)}); change --keep{also}, or give another --target."
            )
        return found

    def can_widen(self) -> bool:
        """Whether ``--evolve-schema`` can give a column of the table a wider type."""
        return False

    def how_to_widen(self) -> List[str]:
        """What a message tells to do so that a column takes a wider type."""
        return ["allow the wider type (--evolve-schema)"] if self.can_widen() else []

    def _lacking(self, columns: "List[Any]") -> "List[Any]":
        """Those of a table's further columns that this run would leave empty, and must not.

        What no run of ours has ever written is the table's own: it is left to its default, to what
        it is generated from, or null.  What an earlier run wrote and this one would not is lost.
        """
        if not columns:
            return []
        demanded = [c for c in columns if not c.nullable and not self.fills(c)]
        last = next((r for r in self.records() if r is not None), None)
        if last is None:
            return demanded
        if last.columns is None:
            return columns
        written = {name.lower() for name in last.columns}
        return [c for c in columns if c in demanded or c.name.lower() in written]

    def fills(self, column: Any) -> bool:
        """Whether the table itself has a value for a column that a run leaves out.

        Parameters
        ----------
        column : StructField
        """
        return "CURRENT_DEFAULT" in (column.metadata or {})

    def demands(self) -> List[Demand]:
        """What the table demands of its rows beyond their types, as far as its metadata tells."""
        return []

    def name_of(self, name: str) -> str:
        """What the table calls a column: without characters that it refuses, and as it spells it.

        Parameters
        ----------
        name : str
            The source's, or the pipeline's.
        """
        there = [] if self.schema is None else self.schema.fieldNames()
        return as_spelt(safe_name(name, self.unsafe), there)

    def _check_partitions(self) -> None:
        """Refuse partitions that the table does not have, or that it has otherwise.

        A format that replaces partitions replaces all rows of a table that has none.
        """
        job, there = self.job, self.partition_by
        replaces = job.mode == "overwrite-partitions"
        if self.is_new:
            if replaces and not there:
                raise TableJobError(
                    f"--mode overwrite-partitions would create {self.table.text} without "
                    "partitions, and replace all of it the next time; give --partition-by."
                )
            return
        is_so = f"partitioned by {', '.join(there)}" if there else "not partitioned"
        if job.partition_by and _as_set(map(self.name_of, job.partition_by)) != _as_set(there):
            raise TableJobError(
                f"The target {self.table.text} is {is_so}, and not by --partition-by "
                f"{','.join(job.partition_by)}; leave --partition-by out, or give another --target."
            )
        if replaces and not there:
            raise TableJobError(
                f"The target {self.table.text} is {is_so}, so --mode overwrite-partitions would "
                "replace all its rows; give --mode overwrite if that is meant, or a target with "
                "partitions."
            )

    def inferred_columns(self) -> Sequence[str]:
        """Columns whose type a reader infers, so it does not tell what was written."""
        return ()

    def _check_new(self, scored: "StructType") -> None:
        there = {name.lower() for name in scored.fieldNames()}
        unknown = [n for n in self.job.partition_by if self.name_of(n).lower() not in there]
        if unknown:
            raise TableJobError(
                f"--partition-by {', '.join(unknown)} is no column of what would be written "
                f"({', '.join(scored.fieldNames())})."
            )


def _as_set(names: Iterable[str]) -> FrozenSet[str]:
    return frozenset(name.lower() for name in names)
