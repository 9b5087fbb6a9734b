"""Apache Iceberg as a target.

Each run is one snapshot whose summary carries the run's record.  Iceberg records that and enforces
nothing, so a run id is looked for before, and two runs of one job exclude each other by a lock.
"""

from typing import TYPE_CHECKING, Any, List, Sequence, Set

from dai_spark.driver.schema import quoted
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.targets.base import MergeResult, Target
from dai_spark.table_job.targets.commits import REPLACING, Commit, Commits
from dai_spark.table_job.targets.merge_sql import merge_statement, own_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["IcebergTarget"]

_PROPERTY = "dai_spark"
_PUBLISHED = "source-snapshot-id"
_WAP_BRANCH = "spark.wap.branch"
_MAIN = "main"
# Snapshots of Iceberg's own maintenance; `replace` rewrites files and changes no row.
_MAINTENANCE = ("replace",)


class IcebergTarget(Target):
    """An Iceberg table of a catalog."""

    modes = ("fail", "append", "overwrite", "overwrite-partitions", "merge")
    forgets = True
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
        rows = self.spark.read.parquet(staged).select(*map(quoted, columns))
        if self.schema is None:
            # Nothing to merge with; and a commit of no rows would claim that the run is done.
            self.write(rows, record)
            return MergeResult(n_inserted=rows.count(), n_updated=0, n_deleted=0)
        self._evolve(rows)
        n_before = self._n_rows()
        conf = f"spark.sql.iceberg.snapshot-property.{_PROPERTY}"
        with own_session(self.spark, staged, {conf: record.to_json()}) as (session, view):
            session.sql(merge_statement(self, view, columns)).collect()
        self.table.renew(self.spark)
        return self._merged(record, self._n_rows() - n_before)

    def _merged(self, record: RunRecord, n_more: int) -> MergeResult:
        """What the merge did: Iceberg counts files' rows, but the lineage tells which it wrote."""
        if not self.job.lineage or self.job.incremental == "changes":
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

    def read_commits(self) -> Commits:
        """See `Target.read_commits`: from the head of the branch that is written, by parents.

        A snapshot of another branch, one that was rolled back, and one that was staged and never
        published, is no ancestor of it.
        """
        refs = self.run_sql(f"SELECT name, snapshot_id FROM {self.table.name}.refs")
        heads = {row["name"]: row["snapshot_id"] for row in refs}
        head = heads.get(self._branch(), heads.get(_MAIN))
        rows = self.run_sql(
            f"SELECT snapshot_id, parent_id, operation, summary['{_PROPERTY}'] AS record, "
            f"summary['{_PUBLISHED}'] AS published FROM {self.table.name}.snapshots"
        )
        snapshots = {row["snapshot_id"]: row for row in rows}
        found: List[Commit] = []
        passed: Set[int] = set()
        are_all = True
        while head in snapshots:
            row = snapshots[head]
            passed.add(row["snapshot_id"])
            head = row["parent_id"]
            text = row["record"]
            if text is None and row["published"] is not None:
                # Of a snapshot that was staged, and cherry-picked behind another one.
                source = snapshots.get(int(row["published"]))
                are_all = are_all and source is not None
                text = None if source is None else source["record"]
            if row["operation"] not in _MAINTENANCE:
                record = RunRecord.from_json(text)
                removes = (
                    row["operation"] != "append" if record is None else (record.mode in REPLACING)
                )
                found.append(Commit(record, removes))
        others = [
            RunRecord.from_json(row["record"])
            for number, row in snapshots.items()
            if number not in passed
        ]
        undone = tuple(record for record in others if record is not None)
        return Commits(tuple(found), are_all and head is None, undone)

    def _branch(self) -> str:
        """The branch that is written: the session's, where the table lets it say so."""
        branch = self.spark.conf.get(_WAP_BRANCH, None)
        if not branch:
            return _MAIN
        found = self.run_sql(f"SHOW TBLPROPERTIES {self.table.name}")
        properties = {row["key"]: str(row["value"]).lower() for row in found}
        return str(branch) if properties.get("write.wap.enabled") == "true" else _MAIN

    def check_mode(self) -> None:
        """See `Target.check_mode`; Iceberg's writer takes no notice of an option ``branch``."""
        super().check_mode()
        if any(name.lower() == "branch" for name in self.job.target_options):
            raise TableJobError(
                f"--target-option branch does not lead Iceberg's writer to a branch of "
                f"{self.table.text}: it would write to main; set spark.wap.branch, and the "
                "table's property write.wap.enabled."
            )
