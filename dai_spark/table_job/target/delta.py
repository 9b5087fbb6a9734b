"""Delta Lake as a target.

Each run is one commit.  An append carries a transaction id made from the run id, which Delta skips
when it has seen it; every commit carries the run's record as its ``userMetadata``.
"""

from typing import TYPE_CHECKING, Any, Iterator, Optional, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.target.base import Merged, Target
from dai_spark.table_job.target.statement import merge_statement, own_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["DeltaTarget"]

# Writers that honour it: save and saveAsTable; insertInto does not.
_TRANSACTION = "dai_spark:"
_CREATED_FOR = "dai_spark.created_for"
_METADATA_CONF = "spark.databricks.delta.commitInfo.userMetadata"
_EVOLVE_CONF = "spark.databricks.delta.schema.autoMerge.enabled"
# Commits that arrange files anew, or set properties, and change no row.
_MAINTENANCE = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")


class DeltaTarget(Target):
    """A Delta table, of a catalog or at a path."""

    modes = ("fail", "append", "overwrite", "overwrite-partitions", "merge")
    can_evolve = True
    # Refused in names at every level of a table without column mapping.
    unsafe = " ,;{}()\n\t="

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        from pyspark.sql import functions as F

        job = self.job
        options = {**self.write_options(), "userMetadata": record.to_json()}
        if job.evolve_schema:
            options["mergeSchema"] = "true"
        if job.mode in ("fail", "append"):
            options.update(txnAppId=_TRANSACTION + record.run_id, txnVersion="1")
        if self.table.format is None:
            self._create(frame, record)
            writer: Any = self.shaped(frame).writeTo(self.table.name).options(**options)
            if job.mode in ("fail", "append"):
                writer.append()
            elif job.mode == "overwrite":
                writer.overwrite(F.lit(True))
            else:
                writer.overwritePartitions()
            return
        if job.mode == "overwrite-partitions":
            options["partitionOverwriteMode"] = "dynamic"
        writer = self.shaped(frame).write.format("delta").options(**options)
        if self.schema is None and job.partition_by:
            writer = writer.partitionBy(*job.partition_by)
        mode = {"fail": "error", "append": "append"}.get(job.mode, "overwrite")
        writer.mode(mode).save(self.table.name)

    def merge(self, staged: str, record: RunRecord, columns: Sequence[str]) -> Merged:
        """See `Target.merge`."""
        if self.schema is None:
            self._create(self.spark.read.parquet(staged).select(*map(quoted, columns)), record)
        with own_session(
            self.spark,
            staged,
            {
                _METADATA_CONF: record.to_json(),
                _EVOLVE_CONF: str(self.job.evolve_schema).lower(),
            },
        ) as (session, view):
            row = session.sql(merge_statement(self, view, columns)).collect()[0].asDict()
        return Merged(row["num_inserted_rows"], row["num_updated_rows"], row["num_deleted_rows"])

    def _create(self, rows: "DataFrame", record: RunRecord) -> None:
        """Create the table without rows, unless it is there.

        Not together with its rows: of a Delta CTAS Spark loses what the frame observes, and the
        commit carries no ``userMetadata``.
        """
        if self.schema is not None:
            return
        from pyspark.sql import functions as F

        empty = rows.limit(0)
        if self.table.format is None:
            writer = empty.writeTo(self.table.name).using("delta")
            writer = writer.tableProperty(_CREATED_FOR, record.run_id)
            if self.job.partition_by:
                writer = writer.partitionedBy(*[F.col(quoted(c)) for c in self.job.partition_by])
            writer.options(**self.write_options()).create()
        else:
            path_writer = empty.write.format("delta").options(**self.write_options())
            path_writer.partitionBy(*self.job.partition_by).mode("ignore").save(self.table.name)
        self.schema = self.table.schema_if_exists(self.spark)

    def created_for(self) -> Optional[str]:
        """See `Target.created_for`."""
        if self.schema is None or self.table.format is not None or self.newest() is not None:
            return None
        found = self.run_sql(f"SHOW TBLPROPERTIES {self.table.name}")
        return next((row["value"] for row in found if row["key"] == _CREATED_FOR), None)

    def records(self) -> Iterator[Optional[RunRecord]]:
        """See `Target.records`."""
        if self.schema is None:
            return
        for row in self.run_sql(f"DESCRIBE HISTORY {self.table.sql}"):
            if row["operation"] not in _MAINTENANCE:
                yield RunRecord.from_json(row["userMetadata"])
