"""Apache Iceberg as a target.

Each run is one snapshot whose summary carries the run's record.  Iceberg records that and enforces
nothing, so a run id is looked for before, and two runs of one job exclude each other by a lock.
"""

from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.targets.base import DELETED, MergeResult, Target
from dai_spark.table_job.targets.merge_sql import merge_statement, own_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["IcebergTarget"]

_PROPERTY = "dai_spark"
# Snapshots of Iceberg's own maintenance; `replace` rewrites files and changes no row.
_MAINTENANCE = ("replace",)


class IcebergTarget(Target):
    """An Iceberg table of a catalog."""

    modes = ("fail", "append", "overwrite", "overwrite-partitions", "merge")
    can_evolve = True

    def check_schema(self, scored: "StructType") -> "List[tuple[str, str]]":
        """See `Target.check_schema`."""
        if self.job.max_file_rows is not None:
            raise TableJobError(
                f"Iceberg limits a file by bytes and not by rows, so --max-file-rows does nothing "
                f"for {self.table.text}; give --target-option target-file-size-bytes=N."
            )
        return super().check_schema(scored)

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        from pyspark.sql import functions as F

        self._evolve(frame)
        writer: Any = self.shaped(frame).writeTo(self.table.name)
        writer = writer.options(**self.write_options())
        writer = writer.option(f"snapshot-property.{_PROPERTY}", record.to_json())
        if self.schema is None:
            writer = writer.using("iceberg")
            if self.job.partition_by:
                writer = writer.partitionedBy(*[F.col(c) for c in self.job.partition_by])
            writer.create()
        elif self.job.mode == "append":
            writer.append()
        elif self.job.mode == "overwrite-partitions":
            writer.overwritePartitions()
        else:
            # Replaces all rows in one snapshot and leaves the table's history and settings.
            writer.overwrite(F.lit(True))

    def merge(self, staged: str, record: RunRecord, columns: Sequence[str]) -> MergeResult:
        """See `Target.merge`."""
        all_rows = self.spark.read.parquet(staged)
        rows = all_rows.select(*map(quoted, columns))
        if self.schema is None:
            # Nothing to merge with; and a commit of no rows would claim that the run is done.
            self.write(rows, record)
            return MergeResult(n_inserted=rows.count(), n_updated=0, n_deleted=0)
        deletes = DELETED in all_rows.columns and bool(all_rows.where(DELETED).limit(1).count())
        self._evolve(rows)
        n_before = self._n_rows()
        conf = f"spark.sql.iceberg.snapshot-property.{_PROPERTY}"
        with own_session(self.spark, staged, {conf: record.to_json()}) as (session, view):
            session.sql(merge_statement(self, view, columns)).collect()
        self.table.renew(self.spark)
        return MergeResult() if deletes else self._merged(record, self._n_rows() - n_before)

    def _merged(self, record: RunRecord, n_more: int) -> MergeResult:
        """What the merge did: Iceberg counts files' rows, but the lineage tells which it wrote."""
        if not self.job.lineage:
            return MergeResult()
        rows = self.table.read(self.spark)
        n_written = rows.where(rows[COLUMN]["run_id"] == record.run_id).count()
        return MergeResult(n_inserted=n_more, n_updated=n_written - n_more, n_deleted=0)

    def _n_rows(self) -> int:
        # Answered from the metadata where no file has deleted rows.
        return int(self.run_sql(f"SELECT count(*) AS n FROM {self.table.name}")[0]["n"])

    def _evolve(self, frame: "DataFrame") -> None:
        """Add the new columns; Iceberg's writers would demand a table property for it."""
        if self.schema is None:
            return
        for name, kind in self.check_schema(frame.schema):
            self.run_sql(f"ALTER TABLE {self.table.name} ADD COLUMN {name} {kind}")

    def records(self) -> Iterator[Optional[RunRecord]]:
        """See `Target.records`."""
        if self.schema is None:
            return
        for row in self.run_sql(
            f"SELECT operation, summary['{_PROPERTY}'] AS record FROM {self.table.name}.snapshots "
            "ORDER BY committed_at DESC"
        ):
            if row["operation"] not in _MAINTENANCE:
                yield RunRecord.from_json(row["record"])
