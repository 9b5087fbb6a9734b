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
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    List,
    Optional,
    Sequence,
    Tuple,
)
from urllib.parse import unquote

from dai_spark.driver.schema import quoted
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.columns.demands import Demand, lengths
from dai_spark.table_job.targets.columns.difference import Difference
from dai_spark.table_job.targets.commits import REPLACING, Commit, Commits
from dai_spark.table_job.targets.text_files import (
    SCHEMA_FILE,
    TEXT_FORMATS,
    text_defaults,
    with_schema,
)
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath, is_hidden

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["RECORDS", "FileTableTarget"]

RECORDS = "_dai_spark"
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

    @property
    def instead(self) -> str:
        """See `Target.instead`: where the table is created, by a format that can."""
        keep = "keep the target as a Delta or Iceberg table"
        if self.schema is not None or self.table.format is not None:
            return keep
        known = str(self.spark.conf.get("spark.sql.catalog.spark_catalog", "")).lower()
        able = [name for name in ("delta", "iceberg") if name in known]
        what = (
            f"--target-format {able[0]}" if able else "--target-format, or a catalog of Iceberg's"
        )
        return f"it would be created as {self.provider}, so give {what}: {keep}"

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
        rows = self._filled(frame)
        writer = self.shaped(rows).write.format(self.provider).options(**self.write_options())
        partition_by = self.partition_by
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.mode("error").save(aside.path)
        journal: _Journal = {
            "mode": job.mode,
            "written": name,
            "record": record.to_json(),
            "record_name": f"{self._next_number()}-{name}.json",
            "table": self.table.text,
            "schema": rows.schema.jsonValue(),
            "partition_by": partition_by,
            "files": aside.files(),
        }
        pending = self._work / "pending" / f"{name}.json"
        if self._before_commit is not None:
            self._before_commit()
        pending.parent.make()
        pending.write(json.dumps(journal))
        self._finish(pending, journal)

    def _filled(self, frame: "DataFrame") -> "DataFrame":
        """Add the columns that the table has for itself, since readers go by the files.

        With their defaults, or null.
        """
        from pyspark.sql import functions as F

        if self.is_new:
            return frame
        assert self.schema is not None
        there = {name.lower() for name in frame.columns}
        for field in self.schema.fields:
            if field.name.lower() not in there:
                default = (field.metadata or {}).get("CURRENT_DEFAULT", "NULL")
                value = F.expr(default).cast(field.dataType)
                frame = frame.withColumn(field.name, value)
        # Readers of CSV go by the order of columns.
        return frame.select(*[quoted(name) for name in self.schema.fieldNames()])

    def write_options(self) -> Dict[str, str]:
        """See `Target.write_options`."""
        return {**text_defaults(self.provider), **super().write_options()}

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
        if self.provider in TEXT_FORMATS and self.table.format is not None:
            self.table = with_schema(self.spark, self.job, self.table, RECORDS)
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
        records = (location / RECORDS).make()
        if self.provider in TEXT_FORMATS:
            (records / SCHEMA_FILE).write(json.dumps(journal["schema"]))
        (records / journal["record_name"]).write(journal["record"])
        self._tell_catalog(bool(self._partition_by(journal)))
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
        if (old / RECORDS).exists():
            (old / RECORDS).rename_to(location / RECORDS)
        old.parent.remove()

    def _clear_partitions(self, new: Sequence[str], location: HadoopPath) -> None:
        """Take the old files out of the partitions that were written; new ones may be there."""
        for partition in {name.rpartition("/")[0] for name in new}:
            there = location / partition if partition else location
            for name in there.names():
                path = f"{partition}/{name}" if partition else name
                if path not in new and not is_hidden(name):
                    (there / name).remove()

    def inferred_columns(self) -> Sequence[str]:
        """See `Target.inferred_columns`: partition columns stand in the folders' names."""
        return self.partition_by if self.table.format is not None else ()

    def partitioning(self) -> Tuple[str, ...]:
        """See `Target.partitioning`: of a path, the names of its folders tell."""
        if self.schema is None:
            return ()
        if self.table.format is None:
            columns = self.spark.catalog.listColumns(self.table.name)
            return tuple(column.name for column in columns if column.isPartition)
        found: List[str] = []
        folder = self._location()
        while True:
            below = [name for name in folder.folders() if "=" in name]
            if not below:
                return tuple(found)
            # Spark escapes what file systems refuse, as the web does.
            found.append(unquote(below[0].partition("=")[0]))
            folder = folder / below[0]

    def check_schema(self, scored: "StructType") -> Difference:
        """See `Target.check_schema`."""
        hidden = [name for name in self.job.partition_by if name.startswith(".")]
        if hidden:
            raise TableJobError(
                f"Readers of {self.table.text} pass by folders that begin with a dot, so "
                f"--partition-by {','.join(hidden)} would hide all rows; name the column otherwise."
            )
        n_buckets = self.table.details(self.spark).get("Num Buckets")
        if n_buckets is not None and not self.is_new:
            raise TableJobError(
                f"The target {self.table.text} is bucketed (CLUSTERED BY), and files that are "
                "renamed into place keep no buckets; give a target without buckets, or a Delta or "
                "Iceberg table."
            )
        return super().check_schema(scored)

    def demands(self) -> List[Demand]:
        """See `Target.demands`: Spark's own writer of tables holds texts to their lengths."""
        return [] if self.schema is None else lengths(self.schema)

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
        partition_by = self._partition_by(journal)
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.options(**self.write_options()).mode("ignore").saveAsTable(self.table.name)

    def _partition_by(self, journal: _Journal) -> Sequence[str]:
        found: Sequence[str] = journal.get("partition_by", self.job.partition_by)
        return found

    def _tell_catalog(self, has_partitions: bool) -> None:
        if self.table.format is not None:
            self.spark.catalog.refreshByPath(self.table.name)
            return
        if has_partitions:
            self.run_sql(f"MSCK REPAIR TABLE {self.table.name} SYNC PARTITIONS")
        self.run_sql(f"REFRESH TABLE {self.table.name}")

    # -- records --------------------------------------------------------------------------------

    def _next_number(self) -> int:
        """What a record's name begins with: the time, and more than any before it.

        Drivers of several hosts write into a table, and their clocks differ.
        """
        if self.table.format is None and self.is_new:
            return time.time_ns()
        names = (self._location() / RECORDS).names()
        numbers = [name.partition("-")[0] for name in names]
        before = [int(number) for number in numbers if number.isdigit()]
        return max(time.time_ns(), max(before, default=0) + 1)

    def read_commits(self) -> Commits:
        """See `Target.read_commits`: what others write into the folder leaves no record."""
        folder = self._location() / RECORDS
        found = []
        for name in sorted(folder.names(), reverse=True):
            record = RunRecord.from_json((folder / name).read())
            if record is not None:
                found.append(Commit(record, record.mode in REPLACING))
        return Commits(tuple(found))
