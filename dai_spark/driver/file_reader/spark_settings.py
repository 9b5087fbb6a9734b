"""What of Spark's settings changes what its Parquet reader gives, and how large its tasks are."""

from typing import Any, NamedTuple, Optional

from dai_spark.client.read_files.footers import ReadSettings
from dai_spark.client.read_files.unproved import Unproved
from dai_spark.driver.session import is_connect

__all__ = ["SplitSettings", "batch_rows", "read_settings", "split_settings"]

_OFF = (
    "spark.sql.files.ignoreCorruptFiles",
    "spark.sql.files.ignoreMissingFiles",
)
_DECRYPTION = "parquet.crypto.factory.class"
_SIZES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# Where the setting says that a batch has no limit.
_MOST_BATCH_ROWS = 100_000


class SplitSettings(NamedTuple):
    """How large Spark makes the tasks of a table.

    Attributes
    ----------
    most_bytes, open_bytes : int
        ``spark.sql.files.maxPartitionBytes``, ``spark.sql.files.openCostInBytes``.
    least_tasks : int
    most_tasks : int or None
    """

    most_bytes: int
    open_bytes: int
    least_tasks: int
    most_tasks: Optional[int]


def read_settings(spark: Any) -> ReadSettings:
    """Return the settings that a file's columns are held against.

    Runs on the driver.

    Raises
    ------
    Unproved
        One is on with which Spark's reader is another one.
    """
    for name in _OFF:
        if _setting(spark, name) == "true":
            raise Unproved(f"{name} is true")
    if _given(spark, _DECRYPTION) or (not is_connect(spark) and _hadoop(spark, _DECRYPTION)):
        raise Unproved(f"files may be encrypted ({_DECRYPTION} is set)")
    return ReadSettings(
        _setting(spark, "spark.sql.caseSensitive") == "true",
        _setting(spark, "spark.sql.parquet.datetimeRebaseModeInRead").upper(),
        _setting(spark, "spark.sql.parquet.int96RebaseModeInRead").upper(),
        _setting(spark, "spark.sql.parquet.int96TimestampConversion") == "true",
    )


def split_settings(spark: Any) -> SplitSettings:
    """Return the settings that Spark splits files by.

    Parameters
    ----------
    spark : SparkSession
    """
    least = _given(spark, "spark.sql.files.minPartitionNum")
    least = least or _given(spark, "spark.sql.leafNodeDefaultParallelism")
    most = _given(spark, "spark.sql.files.maxPartitionNum")
    return SplitSettings(
        _bytes(_setting(spark, "spark.sql.files.maxPartitionBytes")),
        _bytes(_setting(spark, "spark.sql.files.openCostInBytes")),
        int(least) if least else _parallelism(spark),
        int(most) if most else None,
    )


def batch_rows(spark: Any) -> int:
    """Return how many rows Spark sends to a Python worker at once.

    Parameters
    ----------
    spark : SparkSession
    """
    rows = int(_setting(spark, "spark.sql.execution.arrow.maxRecordsPerBatch") or 0)
    return rows if rows > 0 else _MOST_BATCH_ROWS


def _parallelism(spark: Any) -> int:
    if not is_connect(spark):
        return int(spark.sparkContext.defaultParallelism)
    # Its plan names it, and nothing else does over Connect.
    from dai_spark.driver.file_reader.connect_scan import n_splits

    return n_splits(spark)


def _setting(spark: Any, name: str) -> str:
    """A setting as it is, or Spark's default; empty where this Spark does not know it."""
    try:
        return str(spark.conf.get(name))
    except Exception:  # noqa: BLE001 - which class differs between Spark versions
        return ""


def _given(spark: Any, name: str) -> str:
    """A setting that Spark has no default for; empty where nobody has made it."""
    return str(spark.conf.get(name, None) or "")


def _hadoop(spark: Any, name: str) -> Optional[str]:
    found: Optional[str] = spark._jsparkSession.sessionState().newHadoopConf().get(name)
    return found


def _bytes(text: str) -> int:
    """A size as Spark writes it: ``134217728``, ``134217728b``, ``128MB``, ``128m``."""
    plain = text.strip().lower()
    if len(plain) > 1 and plain[-1] == "b" and plain[-2] in _SIZES and not plain[-2].isdigit():
        plain = plain[:-1]
    if plain[-1] in _SIZES:
        return int(float(plain[:-1]) * _SIZES[plain[-1]])
    return int(plain)
