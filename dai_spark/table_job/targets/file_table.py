"""Tables that are nothing but files: Parquet, ORC, CSV, JSON, Avro, at a path or in a catalog.

Spark writes files into the table while tasks run, so a killed job leaves a part of them, or neither
the old table nor the new one.  Here the rows are written aside, beside the table; then a journal
says what is to be done; then files are renamed into place.  A run that was killed behind the
journal is finished by the next one, before anything else; one that was killed before it has changed
nothing.

A reader that looks between two renames sees a part of an append: a table without a log has no
moment at which it changes.  Each commit leaves the run's record in the folder ``_dai_spark`` of the
table, which Spark, Hive and Trino read past.
"""

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence

from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.commits import REPLACING, Commit, Commits
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["FileTableTarget"]

_RECORDS = "_dai_spark"
_Journal = Dict[str, Any]


class FileTableTarget(Target):
    """A table of files, written aside and renamed into place.

    Parameters
    ----------
    spark, job, table, schema
        See `Target`.
    provider : str
        Its format.
    work : HadoopPath
        Where rows are written first: on the same file system, so that a rename moves nothing.
    before_commit : callable, optional
        See `Target`.
    """

    modes = ("fail", "append", "overwrite", "overwrite-partitions")
    instead = "keep the target as a Delta or Iceberg table"

    def __init__(
        self,
        spark: Any,
        job: TableJob,
        table: TableName,
        schema: "Optional[StructType]",
        provider: str,
        work: HadoopPath,
        before_commit: Optional[Callable[[], None]] = None,
    ) -> None:
        super().__init__(spark, job, table, schema, before_commit)
        self.provider = provider
        self._work = work
        self.has_structs = provider not in ("csv",)

    # -- commit ---------------------------------------------------------------------------------

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        job = self.job
        name = uuid.uuid4().hex
        aside = self._work / "written" / name
        writer = self.shaped(frame).write.format(self.provider).options(**self.write_options())
        if job.partition_by:
            writer = writer.partitionBy(*job.partition_by)
        writer.mode("error").save(aside.path)
        journal: _Journal = {
            "mode": job.mode,
            "written": name,
            "record": record.to_json(),
            "record_name": f"{time.time_ns()}-{name}.json",
            "table": self.table.text,
            "schema": frame.schema.jsonValue(),
            "files": aside.files(),
        }
        pending = self._work / "pending" / f"{name}.json"
        if self._before_commit is not None:
            self._before_commit()
        pending.parent.make()
        pending.write(json.dumps(journal))
        self._finish(pending, journal)

    def recover(self) -> None:
        """See `Target.recover`."""
        waiting = self._work / "pending"
        for name in waiting.names():
            if name.startswith("."):
                # Cut off while it was written: nothing was begun.
                (waiting / name).remove()
                continue
            journal = (waiting / name).read_json()
            if journal is not None:
                self._finish(waiting / name, journal)
        (self._work / "written").remove()
        self.schema = self.table.schema_if_exists(self.spark)

    def _finish(self, pending: HadoopPath, journal: _Journal) -> None:
        """Rename what was written into place; each step may have been done before."""
        written = self._work / "written" / journal["written"]
        location = self._location(journal)
        if journal["mode"] == "overwrite":
            self._swap(written, location, self._work / "replaced" / journal["written"])
        elif written.exists():
            if journal["mode"] == "overwrite-partitions":
                self._clear_partitions(journal["files"], location)
            self._move_in(written, location)
        records = (location / _RECORDS).make()
        (records / journal["record_name"]).write(journal["record"])
        self._tell_catalog()
        written.remove()
        pending.remove()

    def _move_in(self, written: HadoopPath, location: HadoopPath) -> None:
        # Spark's file names hold an id of the writing job, so none is taken already.
        for name in written.files():
            there = location / name
            there.parent.make()
            (written / name).rename_to(there)

    def _swap(self, written: HadoopPath, location: HadoopPath, old: HadoopPath) -> None:
        """Put the new folder in the place of the old one: two renames."""
        if written.exists():
            # A location that is missing was moved away by a run that was killed between the two.
            if location.exists() and not old.exists():
                old.parent.make()
                location.rename_to(old)
            location.parent.make()
            written.rename_to(location)
        # Records of earlier runs stay with the table; this run's own is written behind the swap.
        if (old / _RECORDS).exists():
            (old / _RECORDS).rename_to(location / _RECORDS)
        old.parent.remove()

    def _clear_partitions(self, new: Sequence[str], location: HadoopPath) -> None:
        """Take the old files out of the partitions that were written; new ones may be there."""
        for partition in {name.rpartition("/")[0] for name in new}:
            there = location / partition if partition else location
            for name in there.names():
                path = f"{partition}/{name}" if partition else name
                if path not in new and not name.startswith(("_", ".")):
                    (there / name).remove()

    def inferred_columns(self) -> Sequence[str]:
        """See `Target.inferred_columns`: partition columns stand in the folders' names."""
        return self.job.partition_by if self.table.format is not None else ()

    # -- catalog --------------------------------------------------------------------------------

    def _location(self, journal: Optional[_Journal] = None) -> HadoopPath:
        if self.table.format is not None:
            return HadoopPath(self.spark, self.table.name)
        found = self.table.details(self.spark).get("Location")
        if found is None and journal is not None:
            self._create(journal)
            found = self.table.details(self.spark).get("Location")
        if found is None:
            raise TableJobError(
                f"The catalog tells no location of {self.table.text}; give the target as "
                "FORMAT:PATH, or as a Delta or Iceberg table."
            )
        return HadoopPath(self.spark, found)

    def _create(self, journal: _Journal) -> None:
        from pyspark.sql.types import StructType

        schema = StructType.fromJson(journal["schema"])
        writer = self.spark.createDataFrame([], schema).write.format(self.provider)
        if self.job.partition_by:
            writer = writer.partitionBy(*self.job.partition_by)
        writer.options(**self.write_options()).mode("ignore").saveAsTable(self.table.name)

    def _tell_catalog(self) -> None:
        if self.table.format is not None:
            self.spark.catalog.refreshByPath(self.table.name)
            return
        if self.job.partition_by:
            self.run_sql(f"MSCK REPAIR TABLE {self.table.name} SYNC PARTITIONS")
        self.run_sql(f"REFRESH TABLE {self.table.name}")

    # -- records --------------------------------------------------------------------------------

    def read_commits(self) -> Commits:
        """See `Target.read_commits`: what others write into the folder leaves no record."""
        folder = self._location() / _RECORDS
        found = []
        for name in sorted(folder.names(), reverse=True):
            record = RunRecord.from_json((folder / name).read())
            if record is not None:
                found.append(Commit(record, record.mode in REPLACING))
        return Commits(tuple(found))
