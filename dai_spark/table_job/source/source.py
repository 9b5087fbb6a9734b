"""Source: the table that is scored, at one version, with the pipeline's names for its columns."""

import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from dai_spark.driver.schema import quoted, sql_text
from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import ColumnError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.view_version import view_version
from dai_spark.table_job.table_identity import table_identity
from dai_spark.table_job.table_name import FILE_FORMATS, TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Source", "current_version"]


# Words in the names of a reader's options that choose a version.
_TRAVEL = ("asof", "snapshot")


@dataclass(frozen=True)
class Source:
    """A table to be scored.

    Attributes
    ----------
    table : TableName
    provider : str or None
        Its format in lower case; None for a view.
    frame : DataFrame
        Its rows at `version`, before ``--where``.
    version : str or None
        A Delta version or an Iceberg snapshot, which every later reading of `frame` sees too;
        for files the digest of their listing, for a view one of its text and its tables'
        versions; None where the source tells none (JDBC, some views).
    identity : str
        The same for all spellings of the table, and when it is created anew.
    table_id : str or None
        Another one where the table was created anew, and counts its versions from 0 again; None
        where the format has none, and needs none: snapshots and files have names of their own.
    """

    table: TableName
    provider: Optional[str]
    frame: "DataFrame"
    version: Optional[str]
    identity: str
    table_id: Optional[str] = None

    @classmethod
    def of(cls, spark: Any, job: TableJob) -> "Source":
        """Find the source and pin its version.

        Runs on the driver; reads metadata and file listings.

        Parameters
        ----------
        spark : SparkSession
        job : TableJob

        Raises
        ------
        TableJobError, OptionError
        """
        table = TableName.of(job.source)
        provider = table.provider(spark)
        identity = table_identity(spark, table, job.source_options)
        # Before the version: where the table is created anew between the two, they do not fit, and
        # neither this run nor the next one takes itself for done.
        table_id = _table_id(spark, table, provider)
        version = job.source_version
        travels = any(word in name.lower() for name in job.source_options for word in _TRAVEL)
        if version is None and job.source_timestamp is None and not travels:
            version = current_version(spark, table, provider)
        frame = table.read(spark, job.source_options, version, job.source_timestamp)
        if job.source_timestamp is not None:
            version = f"at {job.source_timestamp}"
        elif version is None and provider is None:
            version = view_version(spark, table.name, frame, _version_of_one, _listing)
        elif version is None:
            version = _listing(frame, provider)
        return cls(table, provider, frame, version, identity, table_id)

    def rows(self, job: TableJob) -> "DataFrame":
        """The rows to be scored: filtered, with the columns that ``--column`` makes.

        Parameters
        ----------
        job : TableJob
        """
        return selected(self.frame, job, self.table.text)


def selected(frame: "DataFrame", job: TableJob, where: str) -> "DataFrame":
    """Apply ``--where`` and ``--column`` to rows of the source.

    Raises
    ------
    ColumnError
        An expression that Spark cannot resolve, with Spark's own sentence.
    """
    from pyspark.sql import functions as F

    frame = frame if job.where is None else _resolved(frame.where, job.where, "--where", where)
    if job.columns:
        made = {name: F.expr(text) for name, text in job.columns.items()}
        # One projection: no expression sees what another one made.
        others = [F.col(quoted(name)) for name in frame.columns if name not in made]
        columns = [*others, *[made[name].alias(name) for name in made]]
        shown = ", ".join(f"{name}={text}" for name, text in job.columns.items())
        frame = _resolved(lambda _: frame.select(*columns), shown, "--column", where)
    return frame


def _resolved(action: Any, text: str, flag: str, where: str) -> "DataFrame":
    try:
        frame: DataFrame = action(text)
        _ = frame.schema
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise told(error, f"{flag} {text} does not fit table {where}", ColumnError) from None
    return frame


def current_version(spark: Any, table: TableName, provider: Optional[str]) -> Optional[str]:
    """The version that a reader of a Delta or Iceberg table sees now; None for other formats.

    Parameters
    ----------
    spark : SparkSession
    table : TableName
    provider : str or None
        Its format in lower case.
    """
    if provider == "delta":
        rows = spark.sql(f"DESCRIBE HISTORY {table.sql} LIMIT 1").collect()
        return str(rows[0]["version"]) if rows else None
    if provider == "iceberg" and table.format is None:
        name, reference = table.reference(spark) or (table.name, "main")
        refs = f"SELECT snapshot_id FROM {name}.refs WHERE name = {sql_text(reference)}"
        rows = spark.sql(refs).collect()
        return str(rows[0]["snapshot_id"]) if rows else None
    return None


def _table_id(spark: Any, table: TableName, provider: Optional[str]) -> Optional[str]:
    if provider != "delta":
        return None
    with contextlib.suppress(Exception):
        # `PATH@v3` is a path to its reader alone, which will say what is wrong with it.
        return str(spark.sql(f"DESCRIBE DETAIL {table.sql}").collect()[0]["id"])
    return None


def _version_of_one(spark: Any, table: TableName, provider: Optional[str]) -> str:
    """What tells a state of a table below a view, also from that of another in its place."""
    found = _table_id(spark, table, provider), current_version(spark, table, provider)
    return " ".join(map(str, found))


def _listing(frame: "DataFrame", provider: Optional[str] = FILE_FORMATS[0]) -> Optional[str]:
    """SHA-256 of the names, sizes and times of the files that a frame reads."""
    if provider not in FILE_FORMATS and not (provider == "hive" and _are_files(frame)):
        return None
    spark = frame.sparkSession
    try:
        paths = sorted(frame.inputFiles())
        if not paths:
            return "no files"
        # Only listed: the content is read for the column `content` alone.
        listed = spark.read.format("binaryFile").load(paths)
        rows = listed.select("path", "length", "modificationTime").collect()
    except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
        raise told(error, "The source's files cannot be listed") from None
    text = json.dumps(sorted([r["path"], r["length"], str(r["modificationTime"])] for r in rows))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _are_files(frame: "DataFrame") -> bool:
    """Whether Spark reads a Hive table as files of its own, as it does with Parquet and ORC.

    Of another one it names the table's folder alone, and partitions may lie elsewhere.
    """
    if is_connect(frame.sparkSession):
        return False
    return "HiveTableRelation" not in frame._jdf.queryExecution().optimizedPlan().toString()
