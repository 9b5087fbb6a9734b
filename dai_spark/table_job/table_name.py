"""TableName: what `--source` and `--target` may say, and how Spark reads it."""

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.schema import quoted, sql_text
from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import OptionError, TableJobError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["FILE_FORMATS", "TableName"]

# Formats whose tables are nothing but files below a folder.
FILE_FORMATS = ("parquet", "orc", "csv", "json", "avro")

_WITH_FORMAT = re.compile(r"^([a-z][a-z0-9_]*):(.+)$", re.DOTALL)
# Iceberg's names of branches and tags, behind that of the table.
_REFERENCE = re.compile(r"^(.+)\.`?(?:branch|tag)_([^.`]+`?)$")
# Spark's words for a path, or a name in the catalog, where nothing is.
_ABSENT = (
    "PATH_NOT_FOUND",
    "TABLE_OR_VIEW_NOT_FOUND",
    "Path does not exist",
    "SCHEMA_NOT_FOUND",
    "DELTA_MISSING_DELTA_TABLE",
    "DELTA_TABLE_NOT_FOUND",
    "is not a Delta table",
)
_EMPTY_FOLDER = ("UNABLE_TO_INFER_SCHEMA", "DELTA_SCHEMA_NOT_SET")
_NO_FORMAT = ("DATA_SOURCE_NOT_FOUND", "Failed to find the data source")


@dataclass(frozen=True)
class TableName:
    """A catalog table (``lake.db.customers``), or what a format keeps (``parquet:PATH``).

    Attributes
    ----------
    text : str
        As the user wrote it; what messages call it.
    format : str or None
        Any format that Spark knows; None for a catalog table.
    name : str
        The catalog's name, or the path (empty where options say it all, as for JDBC).
    reader_schema : str or None
        Schema, as JSON, of files that do not tell it.
    reader_options : tuple of (str, str)
        Of Spark's reader, below those that a caller gives.
    """

    text: str
    format: Optional[str]
    name: str
    reader_schema: Optional[str] = None
    reader_options: "Tuple[Tuple[str, str], ...]" = ()

    @classmethod
    def of(cls, text: str) -> "TableName":
        """Read ``lake.db.table`` or ``FORMAT:PATH`` (``jdbc:`` alone, its options say the rest).

        Parameters
        ----------
        text : str

        Raises
        ------
        OptionError
            A path without its format, or no name.
        """
        if text == "jdbc:":
            return cls(text, "jdbc", "")
        match = _WITH_FORMAT.match(text)
        if match is not None and not match.group(2).startswith("//"):
            return cls(text, match.group(1), match.group(2))
        if not text.strip() or "/" in text:
            raise OptionError(
                f"{text!r} names no table; give a catalog table (lake.db.table) or FORMAT:PATH, "
                "such as parquet:/data/flights or delta:s3a://lake/flights."
            )
        return cls(text, None, text)

    @property
    def sql(self) -> str:
        """What SQL calls it: ``delta.`PATH` `` for a path."""
        if self.format is None:
            return self.name
        return f"{self.format}.{quoted(self.name)}"

    def reference(self, spark: Any) -> "Optional[Tuple[str, str]]":
        """The table and its branch or tag, where the name is Iceberg's for one of these.

        ``ice.db.t.branch_audit`` is branch ``audit`` of ``ice.db.t``, where there is such a table.

        Parameters
        ----------
        spark : SparkSession
        """
        match = _REFERENCE.match(self.name) if self.format is None else None
        if match is None or not spark.catalog.tableExists(match.group(1)):
            return None
        return match.group(1), match.group(2).strip("`")

    def renew(self, spark: Any) -> None:
        """Forget what the session knows of a catalog table: others may have changed it since.

        Iceberg's catalogs keep a table as they have read it for 30 s, for each session its own
        (``cache.expiration-interval-ms``), and Spark the list of a table's files.

        Parameters
        ----------
        spark : SparkSession
        """
        if self.format is None and spark.catalog.tableExists(self.name):
            spark.catalog.refreshTable(self.name)

    def details(self, spark: Any) -> Dict[str, str]:
        """What ``DESCRIBE TABLE EXTENDED`` says of a catalog table; empty where it has nothing.

        Runs on the driver.  The keys asked for here are ``Provider``, ``Location`` and ``Type``.

        Parameters
        ----------
        spark : SparkSession
        """
        if self.format is not None:
            return {}
        try:
            # Asked first: a statement on a table that is not there leaves a trace in Spark's log.
            if not spark.catalog.tableExists(self.name):
                return {}
            rows = spark.sql(f"DESCRIBE TABLE EXTENDED {self.name}").collect()
        except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
            if any(word in str(error) for word in _ABSENT):
                return {}
            raise told(error, f"Table {self.text} cannot be read") from None
        # The table's own rows stand behind those of its columns, which may have the same names.
        return {row["col_name"]: row["data_type"] for row in rows if row["data_type"] is not None}

    def provider(self, spark: Any) -> Optional[str]:
        """The table's format in lower case; None for a catalog table that does not exist.

        Parameters
        ----------
        spark : SparkSession
        """
        if self.format is not None:
            return self.format
        found = self.details(spark)
        return found["Provider"].lower() if "Provider" in found else None

    def read(
        self,
        spark: Any,
        options: Optional[Mapping[str, str]] = None,
        version: Optional[str] = None,
        timestamp: Optional[str] = None,
    ) -> "DataFrame":
        """Return the table as a DataFrame; its schema is read, its rows are not.

        Parameters
        ----------
        spark : SparkSession
        options : mapping of str to str, optional
            For Spark's reader.
        version, timestamp : str, optional
            Time travel, where the format knows it.

        Raises
        ------
        TableJobError
            Nothing is there, it is not of its format, or the format knows no time travel.
        """
        found = self._try_read(spark, options or {}, version, timestamp)
        if found is None:
            raise TableJobError(f"There is no table {self.text}; check the name, or the path.")
        return found

    def schema_if_exists(self, spark: Any, options: Optional[Mapping[str, str]] = None) -> "Any":
        """The table's schema, None where nothing is there, and an empty one for an empty folder.

        Parameters
        ----------
        spark : SparkSession
        options : mapping of str to str, optional
            For Spark's reader.
        """
        from pyspark.sql.types import StructType

        try:
            found = self._try_read(spark, options or {}, None, None)
        except TableJobError as error:
            if any(word in error.text for word in _EMPTY_FOLDER):
                return StructType([])
            raise
        return None if found is None else found.schema

    def _try_read(
        self,
        spark: Any,
        options: Mapping[str, str],
        version: Optional[str],
        timestamp: Optional[str],
    ) -> "Optional[DataFrame]":
        try:
            if self.format is None and not spark.catalog.tableExists(self.name):
                return None
            if self._is_surely_absent(spark):
                return None
            frame = self._frame(spark, options, version, timestamp)
            # Connect resolves nothing before the schema is asked for.
            _ = frame.schema
        except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
            text = str(error)
            if any(word in text for word in _ABSENT):
                return None
            if any(word in text for word in _NO_FORMAT):
                raise OptionError(
                    f"Spark has no format {self.format!r} for {self.text}; give one that it has "
                    "(parquet, orc, csv, json, jdbc), or add the format's jars (spark.jars, "
                    "spark.jars.packages)."
                ) from None
            raise told(error, f"Table {self.text} cannot be read") from None
        return frame

    def _is_surely_absent(self, spark: Any) -> bool:
        """Whether the file system says that the path is not there.

        Spark's reader would say so too, after a warning with a stack trace in the log
        (``FileStreamSink.hasMetadata`` looks for a stream's metadata in it first).
        """
        if self.format not in (*FILE_FORMATS, "delta") or is_connect(spark):
            return False
        # A pattern of many paths, and Delta's `PATH@v3`, are Spark's to read.
        if not self.name or any(sign in self.name for sign in "*?[{@"):
            return False
        # Spark's reader will say in its own words where a file system cannot be reached.
        with contextlib.suppress(Exception):
            return not HadoopFile(spark, self.name).exists()
        return False

    def _frame(
        self,
        spark: Any,
        options: Mapping[str, str],
        version: Optional[str],
        timestamp: Optional[str],
    ) -> "DataFrame":
        frame: DataFrame
        if self.format is None:
            if version is None and timestamp is None:
                frame = spark.read.options(**options).table(self.name)
                return frame
            at = f"VERSION AS OF {_literal(version)}" if version else ""
            at = at or f"TIMESTAMP AS OF {_literal(timestamp or '')}"
            # Of a branch Iceberg reads no version, of its table every one.
            name = (self.reference(spark) or (self.name,))[0]
            frame = spark.sql(f"SELECT * FROM {name} {at}")
            return frame
        from pyspark.sql.types import StructType

        travel: Dict[str, str] = {}
        if version is not None:
            travel["snapshot-id" if self.format == "iceberg" else "versionAsOf"] = version
        if timestamp is not None:
            travel["timestampAsOf"] = timestamp
        if travel and self.format not in ("delta", "iceberg"):
            raise OptionError(
                f"{self.text} has no versions to read; leave --source-version and "
                "--source-timestamp out, or keep the source as a Delta or Iceberg table."
            )
        known = {**dict(self.reader_options), **options, **travel}
        reader = spark.read.format(self.format).options(**known)
        if self.reader_schema is not None:
            reader = reader.schema(StructType.fromJson(json.loads(self.reader_schema)))
        frame = reader.load(self.name) if self.name else reader.load()
        return frame


def _literal(text: str) -> str:
    return text if text.isdigit() else sql_text(text)
