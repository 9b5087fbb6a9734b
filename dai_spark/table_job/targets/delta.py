"""Delta Lake as a target.

Each run is one commit.  An append carries a transaction id made from the run id, which Delta skips
when it has seen it; every commit carries the run's record as its ``userMetadata``.
"""

import json
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from dai_spark.driver.schema import quoted, sql_columns, sql_text
from dai_spark.driver.session import is_connect, java_class
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.targets.base import MergeResult, Target
from dai_spark.table_job.targets.columns.demands import Demand, lengths, not_null
from dai_spark.table_job.targets.columns.difference import Difference
from dai_spark.table_job.targets.columns.names import REFUSED_BY_DELTA
from dai_spark.table_job.targets.commits import REPLACING, Commit, Commits
from dai_spark.table_job.targets.merge_sql import merge_statement, own_session
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["DeltaTarget"]

# Writers that honour it: save and saveAsTable; insertInto does not.
_TRANSACTION = "dai_spark:"
_CREATED_FOR = "dai_spark.created_for"
_METADATA_CONF = "spark.databricks.delta.commitInfo.userMetadata"
_EVOLVE_CONF = "spark.databricks.delta.schema.autoMerge.enabled"
_CHECK = "delta.constraints."
_GENERATED = "delta.generationExpression"
_NO_INSERT = "delta.identity.allowExplicitInsert"
_WIDENS = "delta.enableTypeWidening"
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
    _asked: Optional[Tuple[Any, Dict[str, Any]]] = None

    @property
    def unsafe(self) -> str:
        """Characters that it refuses in column names, at every level; none with column mapping."""
        name = "delta.columnMapping.mode"
        if self.schema is not None:
            mode = self._detail["properties"].get(name, "none")
        else:
            default = f"spark.databricks.delta.properties.defaults.{name.partition('.')[2]}"
            mode = self.job.target_options.get(name, self.spark.conf.get(default, "none"))
        return REFUSED_BY_DELTA if mode in (None, "none") else ""

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        with self._leaving_nothing():
            self._write(frame, record)

    @contextmanager
    def _leaving_nothing(self) -> Iterator[None]:
        """Take away again, where the block fails, a table that was not there before it."""
        is_new = self.schema is None
        folder = self._new_folder() if is_new else None
        had_folder = folder is not None and folder.exists()
        try:
            yield
        except BaseException:
            # What cannot be taken away now, the next run finds: see `recover`.
            with suppress(Exception):
                if is_new:
                    self._take_away(None if had_folder else folder)
            raise

    def _take_away(self, folder: Optional[HadoopPath]) -> None:
        self.schema = self.table.schema_if_exists(self.spark)
        if self.schema is not None and self._has_rows_of_somebody():
            return
        if self.table.format is None and self.schema is not None:
            self.run_sql(f"DROP TABLE {self.table.name}")
        self.schema = None
        if folder is not None:
            folder.remove()

    def _has_rows_of_somebody(self) -> bool:
        # One commit without rows has created it.
        commits = self.run_sql(f"DESCRIBE HISTORY {self.table.sql}")
        return len(commits) > 1 or bool(self._detail["numFiles"])

    def _write(self, frame: "DataFrame", record: RunRecord) -> None:
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
        if self.schema is None and self.partition_by:
            writer = writer.partitionBy(*self.partition_by)
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

    def partitioning(self) -> Tuple[str, ...]:
        """See `Target.partitioning`; liquid clustering is none."""
        if self.schema is None:
            return ()
        return tuple(self._detail["partitionColumns"])

    @property
    def _detail(self) -> Dict[str, Any]:
        """What ``DESCRIBE DETAIL`` says of the table that is there, asked once."""
        if self._asked is None or self._asked[0] is not self.schema:
            row = self.run_sql(f"DESCRIBE DETAIL {self.table.sql}")[0]
            self._asked = self.schema, row.asDict()
        return self._asked[1]

    def demands(self) -> List[Demand]:
        """See `Target.demands`: CHECK, NOT NULL, lengths, and what columns are generated from."""
        if self.schema is None:
            return []
        name = self.table.sql
        found = [*not_null(self.schema, name), *lengths(self.schema)]
        for key, condition in self._detail["properties"].items():
            if key.startswith(_CHECK):
                check = key[len(_CHECK) :]
                drop = f"ALTER TABLE {name} DROP CONSTRAINT {check}"
                found.append(Demand(f"CHECK {check} ({condition})", condition, drop))
        for column, metadata in self._hidden_metadata().items():
            made = metadata.get(_GENERATED)
            if made is not None:
                what = f"column {column}, GENERATED ALWAYS AS ({made}),"
                found.append(Demand(what, f"{quoted(column)} <=> ({made})"))
        return found

    def check_schema(self, scored: "StructType") -> Difference:
        """See `Target.check_schema`; nothing is written into a column that Delta counts itself."""
        found = super().check_schema(scored)
        written = {name.lower() for name in scored.fieldNames()}
        counted = [
            column
            for column, metadata in self._hidden_metadata().items()
            if metadata.get(_NO_INSERT) is False and column.lower() in written
        ]
        if counted:
            raise TableJobError(
                f"The target {self.table.text} numbers {', '.join(counted)} itself (GENERATED "
                "ALWAYS AS IDENTITY) and takes no value for it; leave the column out (--keep)."
            )
        return found

    def fills(self, column: Any) -> bool:
        """See `Target.fills`."""
        metadata = self._hidden_metadata().get(column.name, {})
        return super().fills(column) or _GENERATED in metadata or _NO_INSERT in metadata

    def _hidden_metadata(self) -> Dict[str, Dict[str, Any]]:
        """Of each column what Delta tells no reader: how it is generated; empty over Connect."""
        features = self._detail["tableFeatures"] if self.schema is not None else []
        has_some = {"generatedColumns", "identityColumns"} & set(features or [])
        if not has_some or is_connect(self.spark):
            return {}
        if self.table.format is not None:
            place: Any = self.table.name
        else:
            parser = self.spark._jsparkSession.sessionState().sqlParser()
            place = parser.parseTableIdentifier(self.table.name)
        log = java_class(self.spark._jvm, "org.apache.spark.sql.delta.DeltaLog")
        found = log.forTable(self.spark._jsparkSession, place).unsafeVolatileSnapshot()
        fields = json.loads(found.metadata().schemaString())["fields"]
        return {field["name"]: field["metadata"] for field in fields}

    def can_widen(self) -> bool:
        """See `Target.can_widen`: Delta does so itself where the table says so."""
        return bool(self._detail["properties"].get(_WIDENS) == "true")

    def how_to_widen(self) -> List[str]:
        """See `Target.how_to_widen`."""
        if self.can_widen():
            return super().how_to_widen()
        return [
            f"allow wider types (ALTER TABLE {self.table.sql} SET TBLPROPERTIES ('{_WIDENS}' = "
            "'true'), then --evolve-schema)"
        ]

    def merge(
        self, staged: str, rows: "StructType", record: RunRecord, columns: Sequence[str]
    ) -> MergeResult:
        """See `Target.merge`."""
        with self._leaving_nothing():
            return self._merge(staged, rows, record, columns)

    def _merge(
        self, staged: str, rows: "StructType", record: RunRecord, columns: Sequence[str]
    ) -> MergeResult:
        if self.schema is None:
            all_rows = self.spark.read.schema(rows).parquet(staged)
            self._create(all_rows.select(*map(quoted, columns)), record)
        with own_session(
            self.spark,
            staged,
            rows,
            {
                _METADATA_CONF: record.to_json(),
                _EVOLVE_CONF: str(self.job.evolve_schema).lower(),
            },
        ) as (session, view):
            row = session.sql(merge_statement(self, view, rows, columns)).collect()[0].asDict()
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
            partitions = ", ".join(map(quoted, self.partition_by))
            self.run_sql(
                f"CREATE TABLE {self.table.name} ({sql_columns(rows.schema)}) USING delta "
                + (f"PARTITIONED BY ({partitions}) " if partitions else "")
                + f"TBLPROPERTIES ({shown})"
            )
        else:
            path_writer = rows.limit(0).write.format("delta").options(**self.write_options())
            path_writer.partitionBy(*self.partition_by).mode("ignore").save(self.table.name)
        self.schema = self.table.schema_if_exists(self.spark)

    def recover(self) -> None:
        """Take away what a run left that was killed while it created a catalog's table.

        Delta writes the table's log before the catalog knows the table, and refuses to create one
        where something lies.  What holds rows, or was not made by a run of ours, stays.
        """
        if self.schema is not None or self.table.format is not None:
            return
        folder = self._new_folder()
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
        """Where the table would lie; None where that is not known."""
        if self.table.format is not None:
            return HadoopPath.of(self.spark, self.table.name)
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
            rows = sorted(history.collect(), key=lambda row: row["version"], reverse=True)
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
