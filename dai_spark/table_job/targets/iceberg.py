"""Apache Iceberg as a target.

Each run is one snapshot whose summary carries the run's record.  Iceberg records that and enforces
nothing, so a run id is looked for before, and two runs of one job exclude each other by a lock.
"""

from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Set, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.driver.session import is_connect, java_class
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.audit_branch import AuditBranch
from dai_spark.table_job.targets.base import DELETED, MergeResult, Target
from dai_spark.table_job.targets.columns.demands import Demand, not_null
from dai_spark.table_job.targets.columns.difference import Difference
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

    _partitioning: Optional[Tuple[str, ...]] = None

    def check_schema(self, scored: "StructType") -> Difference:
        """See `Target.check_schema`."""
        if self.job.max_file_rows is not None:
            raise TableJobError(
                f"Iceberg limits a file by bytes and not by rows, so --max-file-rows does nothing "
                f"for {self.table.text}; give --target-option target-file-size-bytes=N."
            )
        return super().check_schema(scored)

    def partitioning(self) -> Tuple[str, ...]:
        """See `Target.partitioning`: as ``DESCRIBE`` tells it, hidden partitions by transforms."""
        if self.schema is None:
            return ()
        if self._partitioning is None:
            rows = self.run_sql(f"DESCRIBE TABLE {self.table.name}")
            self._partitioning = _partitions([(row[0], row[1]) for row in rows])
        return self._partitioning

    def _check_partitions(self) -> None:
        """See `Target.check_schema`; Iceberg replaces no rows that lie by an earlier partitioning.

        They would stay beside those that take their place.
        """
        super()._check_partitions()
        if self.is_new or self.job.mode != "overwrite-partitions":
            return
        found = {row[0] for row in self.run_sql(f"SELECT DISTINCT spec_id FROM {self._files}")}
        if found - {self._spec_id(found)}:
            raise TableJobError(
                f"The target {self.table.text} has files that were written when it was partitioned "
                "otherwise, and --mode overwrite-partitions would leave their rows beside the new "
                f"ones; write them again (CALL {self.table.name.partition('.')[0]}"
                ".system.rewrite_data_files with the option rewrite-all), or use --mode overwrite."
            )

    @property
    def _files(self) -> str:
        return f"{self.table.name}.data_files"

    def _spec_id(self, found: "Set[int]") -> int:
        """Number of the partitioning that rows are written by now."""
        if is_connect(self.spark):
            # No gateway to ask: with one partitioning alone, it is the table's.
            return min(found, default=0)
        utils = java_class(self.spark._jvm, "org.apache.iceberg.spark.Spark3Util")
        loaded = utils.loadIcebergTable(self.spark._jsparkSession, self.table.name)
        return int(loaded.spec().specId())

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        from pyspark.sql import functions as F

        self._evolve(frame)
        self._begin_branch(frame.schema)
        writer: Any = self.shaped(frame).writeTo(self.written.name)
        writer = writer.options(**self.write_options())
        writer = writer.option(f"snapshot-property.{_PROPERTY}", record.to_json())
        if self.schema is None:
            writer = writer.using("iceberg")
            if self.partition_by:
                writer = writer.partitionedBy(*[F.col(quoted(c)) for c in self.partition_by])
            writer.create()
        elif self.job.mode == "append":
            writer.append()
        elif self.job.mode == "overwrite-partitions":
            writer.overwritePartitions()
        else:
            # Replaces all rows in one snapshot and leaves the table's history and settings.
            writer.overwrite(F.lit(True))

    @property
    def written(self) -> TableName:
        """See `Target.written`."""
        return self.table if self._audit is None else self._audit.table

    def publish(self) -> None:
        """See `Target.publish`: readers see the branch's rows by one change of the table."""
        if self._audit is not None:
            self._audit.publish()

    @property
    def _audit(self) -> Optional[AuditBranch]:
        name = self.job.target_branch
        return None if name is None else AuditBranch(self, name)

    def _begin_branch(self, schema: "StructType") -> None:
        if self._audit is not None:
            self._audit.begin(schema)
            self.schema = self.schema or schema

    def merge(
        self, staged: str, rows: "StructType", record: RunRecord, columns: Sequence[str]
    ) -> MergeResult:
        """See `Target.merge`."""
        all_rows = self.spark.read.schema(rows).parquet(staged)
        written = all_rows.select(*map(quoted, columns))
        if self.schema is None:
            # Nothing to merge with; and a commit of no rows would claim that the run is done.
            self.write(written, record)
            return MergeResult(n_inserted=written.count(), n_updated=0, n_deleted=0)
        deletes = DELETED in all_rows.columns and bool(all_rows.where(DELETED).limit(1).count())
        self._evolve(written)
        self._begin_branch(written.schema)
        n_before = self._n_rows()
        conf = f"spark.sql.iceberg.snapshot-property.{_PROPERTY}"
        with own_session(self.spark, staged, rows, {conf: record.to_json()}) as (session, view):
            session.sql(merge_statement(self, view, rows, columns)).collect()
        self.table.renew(self.spark)
        return MergeResult() if deletes else self._merged(record, self._n_rows() - n_before)

    def _merged(self, record: RunRecord, n_more: int) -> MergeResult:
        """What the merge did: Iceberg counts files' rows, but the lineage tells which it wrote."""
        if not self.job.lineage:
            return MergeResult()
        rows = self.written.read(self.spark)
        n_written = rows.where(rows[COLUMN]["run_id"] == record.run_id).count()
        return MergeResult(n_inserted=n_more, n_updated=n_written - n_more, n_deleted=0)

    def _n_rows(self) -> int:
        # Answered from the metadata where no file has deleted rows.
        return int(self.run_sql(f"SELECT count(*) AS n FROM {self.written.sql}")[0]["n"])

    def _evolve(self, frame: "DataFrame") -> None:
        """Add and widen columns; Iceberg's writers would demand a table property for it."""
        if self.schema is None:
            return
        found = self.check_schema(frame.schema)
        for name, kind in found.added:
            self.run_sql(f"ALTER TABLE {self.table.name} ADD COLUMN {name} {kind}")
        for name, kind, _ in found.widened:
            self.run_sql(f"ALTER TABLE {self.table.name} ALTER COLUMN {name} TYPE {kind}")

    def can_widen(self) -> bool:
        """See `Target.can_widen`."""
        return True

    def demands(self) -> List[Demand]:
        """See `Target.demands`."""
        return [] if self.schema is None else not_null(self.schema, self.table.name)

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
        self._check_promise()
        if any(name.lower() == "branch" for name in self.job.target_options):
            raise TableJobError(
                f"--target-option branch does not lead Iceberg's writer to a branch of "
                f"{self.table.text}: it would write to main; give --target-branch."
            )


def _partitions(described: "Sequence[Tuple[str, str]]") -> Tuple[str, ...]:
    """Partitions in the rows of ``DESCRIBE TABLE``, which has two ways to tell them."""
    found: List[str] = []
    section = ""
    for name, kind in described:
        if name.startswith("#") and name != "# col_name":
            section = name
        elif section == "# Partitioning" and name:
            found.append(kind)
        elif section == "# Partition Information" and name not in ("", "# col_name"):
            found.append(name)
    return tuple(found)
