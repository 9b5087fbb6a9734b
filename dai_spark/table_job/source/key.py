"""Key: the columns that tell rows apart, held against the rows that are to be written."""

import uuid
from typing import TYPE_CHECKING, Sequence, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.errors import ColumnError
from dai_spark.table_job.targets.columns.comparison import check_comparable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

__all__ = ["check_key"]

_EXAMPLES = 5
_BINARY = "UTF8_BINARY"
# As wide as a hash, or less.
_NARROW = {"byte", "short", "integer", "long", "date", "timestamp", "timestamp_ntz"}
# Equal values have equal hashes: to these, too, NaN is one value, and zero has no sign.
_PLAIN = {*_NARROW, "float", "double", "decimal", "boolean", "binary"}


def check_key(rows: "DataFrame", key: Sequence[str], where: str) -> int:
    """Make sure that a key is nowhere null and nowhere twice, and count the rows.

    Runs on the driver, with one Spark job that reads the key's columns alone.  Of a key that is
    more than one number it is a hash of 64 bits that is shuffled and counted: equal keys have equal
    ones.  Where a hash stands twice, the keys themselves are compared by a second job, so that no
    double is missed, and none is told that is none; by chance that is once in 90,000 runs of 20
    million rows.

    Parameters
    ----------
    rows : DataFrame
    key : sequence of str
    where : str
        How messages name the rows.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    ColumnError
        With counts and examples.
    TableJobError
        Spark does not compare values of the key's type.
    """
    missing = [name for name in key if name not in rows.columns]
    if missing:
        raise ColumnError(f"{where} lacks {', '.join(missing)} of --key.")
    check_comparable(rows.schema, key)
    kinds = [rows.schema[name].dataType for name in key]
    if (len(key) == 1 and kinds[0].typeName() in _NARROW) or not all(map(_is_hashed, kinds)):
        return _check_values(rows, key, where)
    n_rows, has_doubts = _hashes(rows, key)
    if has_doubts:
        _check_values(rows, key, where)
    return n_rows


def _hashes(rows: "DataFrame", key: Sequence[str]) -> Tuple[int, bool]:
    """Count rows by the hashes of their keys: all, and whether any is null or twice."""
    from pyspark.sql import functions as F

    counted = rows.groupBy(F.when(~_is_null(key), _hash(key)).alias("hash")).agg(
        F.count(F.lit(1)).alias("n")
    )
    is_odd = F.col("hash").isNull() | (F.col("n") > 1)
    found = counted.agg(
        F.sum("n").alias("n_rows"), F.count(F.when(is_odd, 1)).alias("n_odd")
    ).collect()[0]
    return int(found["n_rows"] or 0), bool(found["n_odd"])


def _is_hashed(kind: "DataType") -> bool:
    """Whether values that Spark takes for equal have equal hashes: not in all collations."""
    if kind.typeName() == "string":
        return getattr(kind, "collation", _BINARY) == _BINARY
    return kind.typeName() in _PLAIN


def _hash(key: Sequence[str]) -> "Column":
    from pyspark.sql import functions as F

    return F.xxhash64(*[F.col(quoted(name)) for name in key])


def _is_null(key: Sequence[str]) -> "Column":
    from pyspark.sql import functions as F

    is_null = F.lit(False)
    for name in key:
        is_null = is_null | F.col(quoted(name)).isNull()
    return is_null


def _check_values(rows: "DataFrame", key: Sequence[str], where: str) -> int:
    """Compare the values themselves, and count the rows."""
    from pyspark.sql import functions as F

    columns, is_null = [F.col(quoted(name)) for name in key], _is_null(key)
    # A name that no column has.
    n = f"n_{uuid.uuid4().hex}"
    counted = rows.groupBy(*columns).agg(F.count(F.lit(1)).alias(n))
    sums = counted.agg(
        F.sum(n).alias("n_rows"),
        F.sum(F.when(is_null, F.col(n))).alias("n_null"),
        F.sum(F.when(~is_null & (F.col(n) > 1), 1)).alias("n_twice"),
    ).collect()[0]
    named = f"--key {','.join(key)}"
    if sums["n_null"]:
        raise ColumnError(
            f"{where} has {sums['n_null']:,} rows whose {named} is null; leave them out (--where), "
            "or give another key."
        )
    if sums["n_twice"]:
        twice = counted.where(F.col(n) > 1).orderBy(F.col(n).desc(), *columns)
        examples = [
            f"{', '.join(str(value) for value in row[:-1])} ({row[-1]} times)"
            for row in twice.limit(_EXAMPLES).collect()
        ]
        raise ColumnError(
            f"{where} holds {sums['n_twice']:,} values of {named} more than once: "
            f"{'; '.join(examples)}; give a key that tells rows apart, or leave doubles out "
            "(--where)."
        )
    return int(sums["n_rows"] or 0)
