"""Reading: a frame of a table's rows as Spark reads them, or of ranges of files for tasks to read.

A frame of ranges has a row for each task: its number, and a struct that is null, whose type is that
of the table's rows, so that tasks learn from Spark in which Arrow types it sends them now.  The
table itself stays in the query, without a row: who looks at a query for what it reads (a writer
into the same table, a listener) finds it, and Spark's optimiser takes it out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Mapping, Optional, Sequence, Tuple

from dai_spark.client.read_files.footers import FileColumn, FileFacts, look_at_files
from dai_spark.client.read_files.task_files import TaskColumn, TaskFiles, packed_tasks
from dai_spark.client.read_files.unproved import Unproved
from dai_spark.driver.file_reader import listed_files as listed
from dai_spark.driver.file_reader.connect_scan import (
    connect_scan,
    looked_at_by_task,
    server_files,
)
from dai_spark.driver.file_reader.iceberg_files import check_iceberg, iceberg_files
from dai_spark.driver.file_reader.packing import packed
from dai_spark.driver.file_reader.scan_plan import bare_scan, planned_scan
from dai_spark.driver.file_reader.spark_settings import (
    batch_rows,
    read_settings,
    split_settings,
)
from dai_spark.driver.session import is_connect, is_local
from dai_spark.driver.spark_errors.telling import said_by
from dai_spark.errors import OptionError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["WAYS", "Reading", "check_way", "choose_reading"]

WAYS = ("auto", "spark", "files")
# What is sent to each task; Spark writes functions of a megabyte to its disks.
_MOST_PACKED_BYTES = 400_000


@dataclass(frozen=True)
class Reading:
    """How the rows of a frame come to the tasks that score them.

    Attributes
    ----------
    frame : DataFrame
        What mapInArrow is called on.
    files : TaskFiles or None
        What tasks read themselves; None where Spark reads.
    why : str
        What was found, as a sentence without a full stop.
    """

    frame: "DataFrame"
    files: Optional[TaskFiles]
    why: str

    @property
    def way(self) -> str:
        """``"files"`` or ``"spark"``."""
        return "spark" if self.files is None else "files"


def check_way(way: str) -> None:
    """Raise `OptionError` for a way of reading that there is not."""
    if way not in WAYS:
        raise OptionError(f"read={way!r} is none of {', '.join(WAYS)}.")


def choose_reading(
    frame: "DataFrame", way: str, where: str, *, is_together: bool = False
) -> Reading:
    """Decide who reads a frame's rows: tasks, where everything is proved that this rests on.

    Runs on the driver; reads the footers of files and no row.

    Parameters
    ----------
    frame : DataFrame
        The columns that are read, a projection that nobody else holds.
    way : {"auto", "spark", "files"}
    where : str
        How a message names the rows.
    is_together : bool, default False
        Whether a row's score depends on the rows that it is scored with.

    Raises
    ------
    OptionError
        Files are asked for, and something is not proved.
    """
    if way == "spark":
        return Reading(frame, None, "Spark reads the rows, as read='spark' says")
    try:
        if is_together:
            raise Unproved("scores depend on which rows are scored together, as Spark brings them")
        files, n_files = _proved(frame)
    except Unproved as error:
        if way == "files":
            raise OptionError(
                f"read='files' (--read files) cannot be done for {_inside(where)}, since {error}; "
                "give read='auto', which lets Spark read then."
            ) from None
        return Reading(frame, None, f"Spark reads the rows, since {error}")
    n_tasks = len(files.tasks_read)
    why = f"{n_tasks:,} tasks read {n_files:,} Parquet files themselves"
    return Reading(_ranges(frame, n_tasks), files.sent, why)


@dataclass(frozen=True)
class _Proved:
    sent: TaskFiles
    tasks_read: Sequence[object]


def _proved(frame: "DataFrame") -> Tuple[_Proved, int]:
    try:
        return _prove(frame)
    except Unproved:
        raise
    except Exception as error:
        # Whatever it is, Spark reads the table in its own way, or says what is wrong.
        raise Unproved(f"its plan cannot be looked at ({said_by(error)})") from error


def _prove(frame: "DataFrame") -> Tuple[_Proved, int]:
    spark = frame.sparkSession
    settings = read_settings(spark)
    kinds = [field.dataType.simpleString() for field in frame.schema.fields]
    if not kinds:
        raise Unproved("no column is read")
    partitions: List[str] = []
    if is_connect(spark):
        names = connect_scan(frame)
        noted = {name: field.metadata for name, field in zip(names, frame.schema.fields)}
        columns = _file_columns(names, kinds, partitions, noted)
        facts = looked_at_by_task(spark, server_files(frame), columns, settings)
        files: List[Tuple[FileFacts, Tuple[object, ...]]] = [(one, ()) for one in facts]
    else:
        scan = bare_scan(frame)
        (check_iceberg if scan.is_iceberg else listed.check_place)(scan.relation)
        scan = planned_scan(frame, scan)
        names = scan.names
        if scan.is_iceberg:
            columns, partitions, found = iceberg_files(scan, kinds)
        else:
            listed.check_relation(scan.relation)
            partitions = listed.partition_names(scan.relation)
            noted = listed.columns_metadata(scan.relation)
            columns = _file_columns(names, kinds, partitions, noted)
            found = listed.listed_files(spark, scan)
        facts = look_at_files([one.path for one in found], columns, settings)
        files = [(one, its.values) for one, its in zip(facts, found)]
    tasks = packed(files, split_settings(spark))
    content = packed_tasks(tasks)
    if len(content) > _MOST_PACKED_BYTES:
        raise Unproved(f"the list of its {len(files):,} files is too long to be sent to each task")
    field_ids = {one.name: one.field_id for one in columns}
    sent = TaskFiles(
        tuple(
            TaskColumn(
                name,
                partitions.index(name) if name in partitions else None,
                field_ids.get(name),
            )
            for name in names
        ),
        settings.is_case_sensitive,
        batch_rows(spark),
        is_local(spark),
        content,
    )
    return _Proved(sent, tasks), len(files)


def _file_columns(
    names: Sequence[str],
    kinds: Sequence[str],
    partitions: Sequence[str],
    noted: Mapping[str, Mapping[str, object]],
) -> List[FileColumn]:
    """The columns of the files, each once; `noted` is Spark's metadata of them."""
    found = {}
    for name, kind in zip(names, kinds):
        if name in partitions:
            continue
        if "__CHAR_VARCHAR_TYPE_STRING" in noted[name]:
            raise Unproved(f"column {name} is of type char or varchar, whose rules are Spark's")
        if "parquet.field.id" in noted[name]:
            raise Unproved(f"column {name} is found by a number in the files, not by its name")
        found[name] = FileColumn(name, kind, has_default="EXISTS_DEFAULT" in noted[name])
    return list(found.values())


def _ranges(frame: "DataFrame", n_tasks: int) -> "DataFrame":
    from pyspark.sql import functions as F

    spark = frame.sparkSession
    row = F.lit(None).cast(frame.schema).alias("row")
    # A task for each number: Spark cuts what is counted so where there are as many.
    tasks = spark.range(0, n_tasks, 1, max(n_tasks, 1)).select(F.col("id").alias("task"), row)
    table = frame.where(F.lit(False)).select(F.lit(0).cast("bigint").alias("task"), row)
    return tasks.union(table)


def _inside(where: str) -> str:
    return where[:1].lower() + where[1:]
