"""Whatever else Spark writes to, by Spark's own writer: JDBC, or any table over Spark Connect."""

from typing import TYPE_CHECKING, Any, Optional, Tuple

from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.base import NO_RECORDS, Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["OtherTarget"]


class OtherTarget(Target):
    """A table that keeps no record of runs: an append could not be told from its repetition.

    Parameters
    ----------
    spark, job, table, schema
        See `Target`.
    provider : str
    """

    modes = ("fail", "overwrite")

    @property
    def instead(self) -> str:
        """See `Target.instead`."""
        return f"{NO_RECORDS}, or as files scored from a classic session (spark-submit)"

    def __init__(
        self,
        spark: Any,
        job: TableJob,
        table: TableName,
        schema: "Optional[StructType]",
        provider: str,
    ) -> None:
        super().__init__(spark, job, table, schema)
        self.provider = provider
        self.has_structs = provider not in ("csv", "jdbc")

    def partitioning(self) -> Tuple[str, ...]:
        """See `Target.partitioning`; of a path nobody tells, so it is as the job says."""
        if self.table.format is not None:
            return tuple(self.job.partition_by)
        columns = self.spark.catalog.listColumns(self.table.name)
        return tuple(column.name for column in columns if column.isPartition)

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`; Spark's own committer decides what a killed run leaves."""
        writer = self.shaped(frame).write.options(**self.write_options())
        if self.partition_by:
            writer = writer.partitionBy(*self.partition_by)
        writer = writer.mode("error" if self.job.mode == "fail" else "overwrite")
        if self.table.format is None:
            writer.format(self.provider).saveAsTable(self.table.name)
        elif self.table.name:
            writer.format(self.provider).save(self.table.name)
        else:
            writer.format(self.provider).save()
