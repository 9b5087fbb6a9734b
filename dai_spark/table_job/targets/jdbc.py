"""A table of a database, by JDBC.

Spark's own writer commits task by task, and its overwrite drops the table first.  Here the rows are
scored into a table beside the target; then one transaction of the database takes them in, so that
a reader, and a run that fails, sees the old rows or the new ones.
"""

import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from dai_spark.driver.session import java_class
from dai_spark.errors import OptionError, TableJobError
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.targets.base import NO_RECORDS, Target
from dai_spark.table_job.targets.columns.difference import Difference, unlike

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType, StructType

__all__ = ["JdbcTarget", "table_exists"]

# Bits of a whole number that these hold exactly, and bits that whole numbers have.
_EXACT_BITS = {"float": 24, "double": 53}
_WHOLE_BITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
_JDBC = "org.apache.spark.sql.execution.datasources.jdbc"
_DIALECTS = "org.apache.spark.sql.jdbc.JdbcDialects"


class JdbcTarget(Target):
    """A table of a database, replaced or created in one transaction.

    It keeps no record of runs, so an append could not be told from its repetition.
    """

    modes = ("fail", "overwrite")
    has_structs = False

    @property
    def instead(self) -> str:
        """See `Target.instead`."""
        return NO_RECORDS

    def partitioning(self) -> Tuple[str, ...]:
        """See `Target.partitioning`: a database's own matter."""
        return tuple(self.job.partition_by)

    def inferred_columns(self) -> Sequence[str]:
        """See `Target.inferred_columns`: the database casts, and its types are not Spark's."""
        return () if self.schema is None else self.schema.fieldNames()

    def check_schema(self, scored: "StructType") -> Difference:
        """See `Target.check_schema`; what the database would round is refused, too."""
        found = super().check_schema(scored)
        there = {} if self.schema is None else {f.name.lower(): f for f in self.schema.fields}
        pairs = [(there.get(one.name.lower()), one) for one in scored.fields]
        rounded = [
            unlike(one.name, old.dataType, one.dataType)
            for old, one in pairs
            if old is not None and _rounds(old.dataType, one.dataType)
        ]
        if rounded:
            raise TableJobError(
                f"The database of {self.table.text} would round values ({'; '.join(rounded)}); "
                "change the types of its columns, or cast in the source (--column)."
            )
        return found

    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """See `Target.write`."""
        aside = _beside(self.job.target_options["dbtable"])
        writer = self.shaped(frame).write.format("jdbc")
        try:
            writer.options(**self.write_options(), dbtable=aside).mode("error").save()
            if self._before_commit is not None:
                self._before_commit()
            self._take_in(aside, frame)
        finally:
            # A database that is gone keeps it; its name tells whose it is.
            with suppress(Exception), _connection(self.spark, self.job) as connection:
                _run(connection, [f"DROP TABLE {aside}"])

    def write_options(self) -> Dict[str, str]:
        """See `Target.write_options`, without the table's name."""
        return {k: v for k, v in super().write_options().items() if k.lower() != "dbtable"}

    def _take_in(self, aside: str, frame: "DataFrame") -> None:
        table = self.job.target_options["dbtable"]
        is_new = not table_exists(self.spark, self.job)
        if is_new:
            empty = self.spark.createDataFrame([], frame.schema).write.format("jdbc")
            empty.options(**self.write_options(), dbtable=table).mode("error").save()
        url = self.job.target_options["url"]
        dialect = java_class(self.spark._jvm, _DIALECTS).get(url)
        columns = ", ".join(dialect.quoteIdentifier(name) for name in frame.columns)
        try:
            with _connection(self.spark, self.job) as connection:
                statements = [
                    f"DELETE FROM {table}",
                    f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {aside}",
                ]
                _run(connection, statements)
        except BaseException:
            if is_new:
                with suppress(Exception), _connection(self.spark, self.job) as connection:
                    _run(connection, [f"DROP TABLE {table}"])
            raise


def table_exists(spark: Any, job: TableJob) -> bool:
    """Whether the database has the target's table.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    job : TableJob

    Raises
    ------
    OptionError
        The job does not say which table.
    """
    utils = java_class(spark._jvm, f"{_JDBC}.JdbcUtils")
    with _connection(spark, job) as connection:
        return bool(utils.tableExists(connection, _options(spark, job)))


@contextmanager
def _connection(spark: Any, job: TableJob) -> Iterator[Any]:
    """A connection of the driver's, made as Spark's own writer makes its connections."""
    dialects = java_class(spark._jvm, _DIALECTS)
    options = _options(spark, job)
    driver = -1
    connection = dialects.get(options.url()).createConnectionFactory(options).apply(driver)
    try:
        yield connection
    finally:
        with suppress(Exception):
            connection.close()


def _options(spark: Any, job: TableJob) -> Any:
    lacking = [name for name in ("url", "dbtable") if name not in job.target_options]
    if lacking:
        named = " ".join(f"--target-option {name}=..." for name in lacking)
        raise OptionError(f"The target {job.target} wants {named}.")
    words = java_class(spark._jvm, "java.util.HashMap")()
    for name, value in job.target_options.items():
        words.put(name, value)
    utils = java_class(spark._jvm, "org.apache.spark.api.python.PythonUtils")
    return java_class(spark._jvm, f"{_JDBC}.JdbcOptionsInWrite")(utils.toScalaMap(words))


def _run(connection: Any, statements: List[str]) -> None:
    """Run statements as one transaction."""
    connection.setAutoCommit(False)
    try:
        statement = connection.createStatement()
        for text in statements:
            statement.executeUpdate(text)
        connection.commit()
    except BaseException:
        with suppress(Exception):
            connection.rollback()
        raise


def _rounds(there: "DataType", one: "DataType") -> bool:
    """Whether a database would change values as it casts them, and not say so.

    What does not fit at all (a number that is too large, a text that is too long) is its error.
    """
    old, new = there.simpleString().partition("(")[0], one.simpleString().partition("(")[0]
    old_digits, new_digits = _fraction_digits(there), _fraction_digits(one)
    if new in _EXACT_BITS and old in _EXACT_BITS:
        return _EXACT_BITS[old] < _EXACT_BITS[new]
    if new in _EXACT_BITS:
        return old_digits is not None
    if new_digits is not None and old_digits is not None:
        return old_digits < new_digits
    if new_digits is not None:
        is_small = new_digits == 0 and _WHOLE_BITS.get(new, 64) <= _EXACT_BITS.get(old, 0)
        return old in _EXACT_BITS and not is_small
    return old == "date" and new.startswith("timestamp")


def _fraction_digits(kind: "DataType") -> Optional[int]:
    """Digits behind the point of a number that is exact; None for all other types."""
    from pyspark.sql.types import DecimalType, IntegralType

    if isinstance(kind, DecimalType):
        return int(kind.scale)
    return 0 if isinstance(kind, IntegralType) else None


def _beside(table: str) -> str:
    """Name of a table in the same schema of the database."""
    end, is_quoted = 0, False
    for i, character in enumerate(table):
        is_quoted ^= character == '"'
        if character == "." and not is_quoted:
            end = i + 1
    return f"{table[:end]}dai_spark_{uuid.uuid4().hex[:12]}"
