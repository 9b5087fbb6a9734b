"""catalogue: what is known of Spark's errors, and what a user is told of each.

A rule is found by Spark's error condition, by SQLSTATE (whose first two digits are the standard's
classes: 22 data, 23 constraints, 42 names and syntax), by the exception's class, or by words where
a library has nothing else.  The first rule counts that any cause satisfies, so what is told of a
thing stands before what is told of its kind.
"""

import re
from dataclasses import dataclass
from typing import Tuple

from dai_spark.driver.spark_errors.causes import Cause

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """How one kind of error is found and told.

    Attributes
    ----------
    kind : str
        Its name, for tests and readers.
    says : str
        A clause; ``{found}`` is Spark's own first sentence.
    conditions, states, classes : tuple of str
        Beginnings of error conditions and SQLSTATEs; names of classes, without their package.
    words : str
        A regular expression for class and message.
    picked : str
        A regular expression for what ``{found}`` is, where not the message's first sentence.
    """

    kind: str
    says: str
    conditions: Tuple[str, ...] = ()
    states: Tuple[str, ...] = ()
    classes: Tuple[str, ...] = ()
    words: str = ""
    picked: str = ""

    def fits(self, cause: Cause) -> bool:
        """Whether it is told of this cause.

        Parameters
        ----------
        cause : Cause
        """
        return (
            cause.condition.startswith(self.conditions)
            or cause.state.startswith(self.states)
            or cause.name in self.classes
            or bool(self.words and re.search(self.words, f"{cause.name}: {cause.text}"))
        )


RULES = (
    # -- the machines ---------------------------------------------------------------------------
    Rule(
        "out of disk",
        "a disk is full ({found}); make room on it: the table has its own, staged rows lie under "
        "--work-folder, and what Spark sorts and spills under spark.local.dir",
        words=r"No space left on device|[Qq]uota ?[Ee]xceeded|not enough space|DiskErrorException",
        picked=r".*(?:No space left on device|[Qq]uota ?[Ee]xceeded|not enough space)",
    ),
    Rule(
        "executor lost",
        "an executor was lost ({found}); mostly it had more memory than its host or container "
        "allows (exit code 137 is the kernel's kill), so look at its log, then raise "
        "spark.executor.memoryOverhead (on a standalone cluster, the limit of the worker's "
        "container or service) or lower --max-scorers, and run the job again",
        words=r"ExecutorLostFailure|Lost executor|ExecutorDeadException|MetadataFetchFailed|"
        r"missing an output location for shuffle|FetchFailedException",
        picked=r"ExecutorLostFailure.*?(?= Driver stacktrace|$)",
    ),
    Rule(
        "Python worker lost",
        "a Python worker of Spark's ended ({found}); mostly its host or container had no more "
        "memory, so look at the executor's log, then raise spark.executor.memoryOverhead (on a "
        "standalone cluster, the limit of the worker's container or service) or lower "
        "--max-scorers, and run the job again",
        words=r"Python worker exited unexpectedly",
        picked=r"Python worker exited unexpectedly(?: \(\w+\))?",
    ),
    Rule(
        "cancelled",
        "the job was cancelled ({found}), by somebody or because the session was stopped; run it "
        "again",
        conditions=("OPERATION_CANCELED", "SPARK_JOB_CANCELLED", "JOB_CANCELLED"),
        words=r"SparkContext was shut down|stopped SparkContext|[Jj]ob \d+ cancelled|"
        r"part of cancelled job group",
    ),
    Rule(
        "session closed",
        "Spark Connect's server has closed this session ({found}), mostly since nobody used it for "
        "an hour (spark.connect.session.manager.defaultSessionTimeout there); make another one, "
        "and DataFrames and scoring functions with it",
        conditions=("INVALID_HANDLE.SESSION_",),
        # Not each client tells a condition by itself.
        words=r"\[INVALID_HANDLE\.SESSION_",
        picked=r"The handle .*?(?=\s*\[INVALID_HANDLE|$)",
    ),
    Rule(
        "driver lost",
        "Spark's driver does not answer any more ({found}); its JVM has ended, mostly for want of "
        "memory (spark.driver.memory), so look at its log and run the job again",
        classes=("Py4JNetworkError", "ConnectionRefusedError", "ConnectionResetError"),
        words=r"Answer from Java side is empty",
    ),
    Rule(
        "out of memory",
        "Spark ran out of memory ({found}); raise spark.driver.memory where the driver did, "
        "spark.executor.memory where a task did, or give the job smaller tasks",
        conditions=("UNABLE_TO_ACQUIRE_MEMORY", "_LEGACY_ERROR_TEMP_2250"),
        classes=("OutOfMemoryError", "SparkOutOfMemoryError"),
        words=r"Total size of serialized results|GC overhead limit",
    ),
    Rule(
        "permission denied",
        "access is denied ({found}); give this session's user or credentials the right to read the "
        "source and to write the target and the folder beside it",
        conditions=(
            "INSUFFICIENT_PERMISSIONS",
            "PERMISSION_DENIED",
            "DELTA_CANNOT_CREATE_LOG_PATH",
        ),
        states=("42501", "28"),
        classes=("AccessControlException", "AccessDeniedException", "ForbiddenException"),
        words=r"Permission denied|Read-only file system|Operation not permitted|AccessDenied|"
        r"Mkdirs failed to create|Unable to create directory|Status Code: 403",
    ),
    Rule(
        "unreachable",
        "a server cannot be reached ({found}); is its address right, and may driver and executors "
        "connect to it?",
        classes=("ConnectException", "UnknownHostException", "NoRouteToHostException"),
        words=r"SocketTimeoutException|ConnectTimeout|StatusCode\.UNAVAILABLE|Connection refused|"
        r"The connection attempt failed",
    ),
    Rule(
        "no driver",
        "Spark has no JDBC driver for this address ({found}); add the database's jar (spark.jars), "
        "and give its class as option driver",
        words=r"No suitable driver",
    ),
    # -- the table -------------------------------------------------------------------------------
    Rule(
        "commit unknown",
        "whether the commit was made is not known ({found}); run the job again: it looks, and "
        "writes nothing twice",
        classes=("CommitStateUnknownException",),
    ),
    Rule(
        "concurrent commit",
        "another writer has changed the table meanwhile ({found}), so nothing of this run was "
        "written; run the job again, at another time than that writer",
        conditions=("DELTA_CONCURRENT_", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED"),
        states=("2D521",),
        classes=("CommitFailedException", "MetadataChangedException", "ProtocolChangedException"),
        words=r"^Concurrent\w+Exception|Found conflicting|based on stale table metadata|"
        r"Missing required files to delete|^FileAlreadyExistsException",
    ),
    Rule(
        "rows that match twice",
        "several rows to be written have one key ({found}); give a --key that tells rows apart",
        conditions=("DELTA_MULTIPLE_SOURCE_ROW", "MERGE_CARDINALITY_VIOLATION"),
    ),
    Rule(
        "duplicate map key",
        "a map gets the same key twice ({found}); leave such rows out (--where)",
        conditions=("DUPLICATED_MAP_KEY",),
    ),
    Rule(
        "constraint",
        "a row breaks a constraint of the table ({found}); leave such rows out (--where), mend "
        "them, or change the constraint",
        conditions=(
            "DELTA_VIOLATE_CONSTRAINT",
            "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
            "DELTA_EXCEED_CHAR_VARCHAR_LIMIT",
            "DELTA_MISSING_NOT_NULL_COLUMN_VALUE",
            "CHECK_CONSTRAINT_VIOLATION",
            "NOT_NULL_ASSERT_VIOLATION",
            "NULL_VALUE",
            "EXCEED_LIMIT_LENGTH",
        ),
        states=("23",),
        classes=("DeltaInvariantViolationException", "SQLIntegrityConstraintViolationException"),
        words=r"violates \S+ constraint|Null value appeared in non-nullable field",
    ),
    Rule(
        "version not there",
        "that version of the table is not there ({found}): it was vacuumed, expired or never was; "
        "take one that the table's history still has",
        conditions=(
            "DELTA_VERSION",
            "DELTA_TIMESTAMP_",
            "DELTA_MISSING_CHANGE_DATA",
            "DELTA_CHANGE_DATA_FILE_NOT_FOUND",
            "DELTA_LOG_FILE_NOT_FOUND",
            "DELTA_TRUNCATED_TRANSACTION_LOG",
            "DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND",
        ),
        classes=("VersionNotFoundException",),
        words=r"Cannot find (?:matching )?snapshot|Cannot find a snapshot|"
        r"\w*CommitRetentionException|no longer available|not an ancestor",
    ),
    Rule(
        "branch not there",
        "the table has no such branch or tag ({found}); make it first, or give another name",
        words=r"Cannot use branch|[Bb]ranch \S+ does not exist|is a tag, not a branch",
    ),
    Rule(
        "file gone",
        "a file of the table is gone ({found}): a VACUUM, an expiry or another writer removed it "
        "while or before it was read; run the job again, from a version that is still kept",
        conditions=("FAILED_READ_FILE.FILE_NOT_EXIST", "DELTA_FILE_NOT_FOUND", "FILE_NOT_EXIST"),
        classes=("FileNotFoundException", "NoSuchFileException", "NotFoundException"),
        picked=r".*?(?=\. It is possible|$)",
    ),
    Rule(
        "corrupt file",
        "a file of the table is damaged or not of its format ({found}); put the file right from a "
        "copy, or write the table again",
        conditions=("FAILED_READ_FILE", "CANNOT_READ_FILE_FOOTER", "MALFORMED_", "CORRUPT"),
        classes=(
            "FileFormatException",
            "ParquetDecodingException",
            "AvroRuntimeException",
            "ChecksumException",
            "EOFException",
            "ZipException",
            "InvalidProtocolBufferException",
        ),
        words=r"is not a Parquet file|Could not read footer|Malformed \w+ file|is not an Avro data"
        r"|Not an Avro data file|[Cc]orrupt",
    ),
    Rule(
        "table not found",
        "there is no such table, path or schema ({found}); check the name, and the catalog that "
        "the session has",
        conditions=(
            "TABLE_OR_VIEW_NOT_FOUND",
            "SCHEMA_NOT_FOUND",
            "CATALOG_NOT_FOUND",
            "PATH_NOT_FOUND",
            "VIEW_NOT_FOUND",
            "DELTA_TABLE_NOT_FOUND",
            "DELTA_MISSING_DELTA_TABLE",
            "DELTA_PATH_DOES_NOT_EXIST",
            "DELTA_TABLE_ONLY_OPERATION",
        ),
        states=("42P01", "42K03"),
        classes=("NoSuchTableException", "NoSuchNamespaceException", "NoSuchDatabaseException"),
    ),
    Rule(
        "exists already",
        "it exists already ({found}); give another --target, or --mode append or overwrite",
        states=("42P07", "42K04", "42P06"),
        classes=("AlreadyExistsException", "TableAlreadyExistsException"),
        words=r"^\w+: \[\w*_ALREADY_EXISTS\]",
    ),
    Rule(
        "empty folder",
        "nothing tells the columns of the table ({found}); does its folder hold files of that "
        "format?",
        conditions=("UNABLE_TO_INFER_SCHEMA", "DELTA_SCHEMA_NOT_SET"),
    ),
    Rule(
        "read and replaced",
        "the target is also read ({found}); scores go to a table of their own",
        conditions=("UNSUPPORTED_OVERWRITE",),
    ),
    # -- the columns -----------------------------------------------------------------------------
    Rule(
        "other columns",
        "the table has other columns or types than what is written ({found}); change --keep or "
        "--column, allow new columns (--evolve-schema), or give another --target",
        conditions=(
            "DELTA_METADATA_MISMATCH",
            "DELTA_FAILED_TO_MERGE_FIELDS",
            "DELTA_MERGE_",
            "DELTA_SCHEMA_",
            "DELTA_CONSTRAINT_DATA_TYPE_MISMATCH",
            "DELTA_INSERT_COLUMN",
            "INCOMPATIBLE_DATA_FOR_TABLE",
            "INSERT_COLUMN_ARITY_MISMATCH",
            "INCOMPATIBLE_COLUMN_TYPE",
            "CANNOT_MERGE_SCHEMAS",
            "CANNOT_MERGE_INCOMPATIBLE",
        ),
        states=("KD000", "KD007", "KD008"),
        words=r"Cannot write incompatible|schema mismatch",
    ),
    Rule(
        "column's name",
        "the table's format refuses the name of a column ({found}); give the column another name "
        "(--keep, --column)",
        conditions=("DELTA_INVALID_CHARACTERS", "INVALID_COLUMN_NAME", "COLUMN_ALREADY_EXISTS"),
        words=r"contains invalid character",
    ),
    Rule(
        "value cannot be computed",
        "a value cannot be computed ({found}); leave such rows out, or have them null: try_cast, "
        "try_divide and their like in --where, --column or the view that is the source",
        states=("22",),
        classes=("NumberFormatException", "ArithmeticException", "DateTimeException"),
    ),
    Rule(
        "column not there",
        "a column or function is not there ({found}); check the names in --where, --column and "
        "--key",
        conditions=("UNRESOLVED_", "FIELD_NOT_FOUND", "AMBIGUOUS_REFERENCE", "DELTA_COLUMN_"),
        states=("42703", "42702", "42883"),
        picked=r".+",
    ),
    Rule(
        "not SQL",
        "that is no SQL ({found}); mend the expression",
        conditions=("PARSE_", "INVALID_IDENTIFIER"),
        states=("42601", "42602"),
        classes=("ParseException",),
    ),
    Rule(
        "types do not fit",
        "types do not fit each other ({found}); cast in the expression",
        conditions=("DATATYPE_MISMATCH", "DELTA_UNSUPPORTED_DATA_TYPE", "UNSUPPORTED_DATATYPE"),
        states=("42K09", "42804"),
    ),
    Rule(
        "database",
        "the database refused ({found}); check the options of source and target, and what this "
        "user may do there",
        conditions=("JDBC_EXTERNAL_ENGINE", "FAILED_JDBC"),
        words=r"^(?:SQL\w*Exception|PSQLException|BatchUpdateException)",
        picked=r".+",
    ),
    # -- the installation ------------------------------------------------------------------------
    Rule(
        "no such format",
        "Spark does not know the format ({found}); add its jars (spark.jars, spark.jars.packages)",
        conditions=("DATA_SOURCE_NOT_FOUND",),
        states=("42K02",),
        words=r"Failed to find (?:the )?data source",
    ),
    Rule(
        "jars do not fit",
        "a class is missing or of another version ({found}); the jars of formats and file systems "
        "must be those made for this version of Spark",
        classes=(
            "ClassNotFoundException",
            "NoClassDefFoundError",
            "NoSuchMethodError",
            "NoSuchFieldError",
            "AbstractMethodError",
            "IncompatibleClassChangeError",
        ),
    ),
    Rule(
        "another Python",
        "the executors' Python is another than the driver's ({found}); set PYSPARK_PYTHON and "
        "PYSPARK_DRIVER_PYTHON to one version",
        words=r"PYTHON_VERSION_MISMATCH",
        picked=r"Python in worker has different version.*?(?=\. )",
    ),
    Rule(
        "raised by the query",
        "the source's own query raised an error ({found})",
        conditions=("USER_RAISED_EXCEPTION",),
    ),
    Rule(
        "not supported",
        "Spark or the table's format cannot do that ({found})",
        states=("0A",),
    ),
)
