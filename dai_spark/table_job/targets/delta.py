"""Delta Lake as a target.

Each run is one commit.  An append carries a transaction id made from the run id, which Delta skips
when it has seen it; every commit carries the run's record as its ``userMetadata``.
"""

import re
from typing import TYPE_CHECKING, Any, List, Optional, Sequence

from dai_spark.driver.schema import quoted, sql_columns, sql_text
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.targets.base import MergeResult, Target
from dai_spark.table_job.targets.commits import REPLACING, Commit, Commits
from dai_spark.table_job.targets.merge_sql import merge_statement, own_session
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["DeltaTarget"]

# Writers that honour it: save and saveAsTable; insertInto does not.
_TRANSACTION = "dai_spark:"
_CREATED_FOR = "dai_spark.created_for"
_METADATA_CONF = "spark.databricks.delta.commitInfo.userMetadata"
_EVOLVE_CONF = "spark.databricks.delta.schema.autoMerge.enabled"
_COMMIT = re.compile(r"[0-9]{20}\.json")
# Commits that arrange files anew, or set properties, and change no row.
_MAINTENANCE = (
    "OPTIMIZE",
    "REORG",
    "VACUUM START",
    "VACUUM END",
    "SET TBLPROPERTIES",
    "UNSET TBLPROPERTIES",
)
_RESTORE = "RESTORE"
# Of others' commits, those that leave all rows; of any other one the rows are looked for.
_KEEPING = ("CREATE TABLE", "ADD COLUMNS", "CHANGE COLUMN", "RENAME COLUMN", "UPDATE")


class DeltaTarget(Target):
    """A Delta table, of a catalog or at a path."""

    modes = ("fail", "append", "overwrite", "overwrite-partitions", "merge")
    forgets = True
    remembers_appends = True
    can_evolve = True
    # A table without column mapping refuses them in names at every level.
    unsafe = " ,;{}()\n\t="

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        from pyspark.sql import functions as F

        job = self.job
        options = {**self.write_options(), "userMetadata": record.to_json()}
        if job.evolve_schema:
            options["mergeSchema"] = "true"
        if job.mode in ("fail", "append"):
            options.update(txnAppId=self._transaction(record.run_id), txnVersion="1")
        if self.table.format is None:
            self._create(frame, record)
            writer: Any = self.shaped(frame).writeTo(self.table.name).options(**options)
            if job.mode in ("fail", "append"):
                writer.append()
                self._check_written(record)
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
        if job.mode == "append":
            self._check_written(record)

    def _check_written(self, record: RunRecord) -> None:
        """Make sure that Delta has not skipped an append of which its history tells no more."""
        if self.commits.are_all:
            return
        written = self.read_commits().newest(lambda other: other.run_id == record.run_id)
        if written is None:
            raise TableJobError(
                f"Delta has seen run {record.run_id} of {self.table.text} before, though its "
                "history no longer tells it, and has written nothing; give another --run-id to "
                "append these rows again."
            )

    def _transaction(self, run_id: str) -> str:
        """What Delta skips when it has seen it.

        A RESTORE, or somebody's DELETE, takes a run's rows away and leaves that, so a run that is
        done again has another one.
        """
        records = [*self.commits.records, *self.commits.undone]
        n_before = sum(record is not None and record.run_id == run_id for record in records)
        return f"{_TRANSACTION}{run_id}" + (f":{n_before}" if n_before else "")

    def merge(self, staged: str, record: RunRecord, columns: Sequence[str]) -> MergeResult:
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
        return MergeResult(
            row["num_inserted_rows"], row["num_updated_rows"], row["num_deleted_rows"]
        )

    def _create(self, rows: "DataFrame", record: RunRecord) -> None:
        """Create the table without rows, unless it is there.

        Not together with its rows: of a Delta CTAS Spark loses what the frame observes, the commit
        carries no ``userMetadata``, and files without a table are left where it is killed.
        """
        if self.schema is not None:
            return
        if self.table.format is None:
            options = self.write_options().items()
            properties = {k: v for k, v in options if k.startswith("delta.")}
            shown = ", ".join(
                f"{sql_text(name)} = {sql_text(value)}"
                for name, value in {**properties, _CREATED_FOR: record.run_id}.items()
            )
            partitions = ", ".join(map(quoted, self.job.partition_by))
            self.run_sql(
                f"CREATE TABLE {self.table.name} ({sql_columns(rows.schema)}) USING delta "
                + (f"PARTITIONED BY ({partitions}) " if partitions else "")
                + f"TBLPROPERTIES ({shown})"
            )
        else:
            path_writer = rows.limit(0).write.format("delta").options(**self.write_options())
            path_writer.partitionBy(*self.job.partition_by).mode("ignore").save(self.table.name)
        self.schema = self.table.schema_if_exists(self.spark)

    def recover(self) -> None:
        """Take away what a run left that was killed while it created a catalog's table.

        Delta writes the table's log before the catalog knows the table, and refuses to create one
        where something lies.  What holds rows, or was not made by a run of ours, stays.
        """
        folder = None if self.schema is not None else self._new_folder()
        if folder is None or not folder.exists() or folder.files():
            return
        log = folder / "_delta_log"
        if {name for name in folder.names() if not name.startswith(".")} - {log.name}:
            return
        commits = [log / name for name in log.names() if _COMMIT.fullmatch(name)]
        texts = [commit.read() or "" for commit in commits]
        if not texts or (len(texts) == 1 and f'"{_CREATED_FOR}"' in texts[0]):
            folder.remove()

    def _new_folder(self) -> Optional[HadoopPath]:
        """Where the catalog would put the table; None where that is not known."""
        if self.table.format is not None:
            return None
        database, _, name = self.table.name.rpartition(".")
        database = database or str(self.spark.catalog.currentDatabase())
        try:
            above = self.spark.catalog.getDatabase(database).locationUri
        except Exception:  # noqa: BLE001 - a catalog that tells of no folders
            return None
        # Spark's own catalog writes it so.
        name = name.strip("`").lower()
        return HadoopPath.of(self.spark, f"{above.rstrip('/')}/{name}") if above else None

    def created_for(self) -> Optional[str]:
        """See `Target.created_for`."""
        if self.schema is None or self.table.format is not None or self.newest() is not None:
            return None
        found = self.run_sql(f"SHOW TBLPROPERTIES {self.table.name}")
        return next((row["value"] for row in found if row["key"] == _CREATED_FOR), None)

    def read_commits(self) -> Commits:
        """See `Target.read_commits`.

        ``RESTORE`` is a commit that makes the table what an earlier one had left: what lies
        between the two is not in it.
        """
        from pyspark.sql import functions as F

        history = self.spark.sql(f"DESCRIBE HISTORY {self.table.sql}").select(
            "version",
            "operation",
            "timestamp",
            "userMetadata",
            F.col("operationParameters")["version"].cast("long").alias("to_version"),
            F.coalesce(
                F.col("operationParameters")["mode"], F.col("operationParameters")["outputMode"]
            ).alias("output"),
            # In the session's time zone, as it is shown.
            F.col("operationParameters")["timestamp"].cast("timestamp").alias("to_time"),
        )
        try:
            rows = history.orderBy(F.col("version").desc()).collect()
        except Exception as error:
            raise told(error, f"The history of {self.table.text} cannot be read") from error
        found: List[Commit] = []
        undone: List[RunRecord] = []
        below: Optional[int] = None
        version = -1
        for row in rows:
            if below is not None and row["version"] > below:
                record = RunRecord.from_json(row["userMetadata"])
                undone += [] if record is None else [record]
                continue
            version = row["version"]
            if row["operation"] == _RESTORE:
                below = _restored_version(row, rows)
            elif row["operation"] not in _MAINTENANCE:
                record = RunRecord.from_json(row["userMetadata"])
                found.append(Commit(record, _may_remove_rows(row, record)))
        # A clone has the rows of another table, and nothing of its history.
        are_all = version == 0 and rows[-1]["operation"] != "CLONE"
        return Commits(tuple(found), are_all, tuple(undone))


def _may_remove_rows(row: Any, record: Optional[RunRecord]) -> bool:
    if record is not None:
        return record.mode in REPLACING
    if row["operation"] in ("WRITE", "STREAMING UPDATE"):
        return str(row["output"]).lower() != "append"
    return row["operation"] not in _KEEPING


def _restored_version(row: Any, rows: Sequence[Any]) -> int:
    """The version that a RESTORE went back to; -1 where it is no longer kept."""
    if row["to_version"] is not None:
        return int(row["to_version"])
    return max(
        (
            r["version"]
            for r in rows
            if r["version"] < row["version"] and r["timestamp"] <= row["to_time"]
        ),
        default=-1,
    )
