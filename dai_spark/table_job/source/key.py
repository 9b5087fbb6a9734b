"""Key: the columns that tell rows apart, held against the rows that are to be written."""

import uuid
from typing import TYPE_CHECKING, Sequence

from dai_spark.driver.row_facts.key_hashes import count_by_hashes, is_any_null, is_hashed
from dai_spark.driver.schema import quoted
from dai_spark.errors import ColumnError
from dai_spark.table_job.targets.columns.comparison import check_comparable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["check_key"]

_EXAMPLES = 5


def check_key(rows: "DataFrame", key: Sequence[str], where: str, read: str = "spark") -> int:
    """Make sure that a key is nowhere null and nowhere twice, and count the rows.

    Runs on the driver, with one Spark job that counts hashes of the keys.  Where a hash stands
    twice, the keys themselves are compared by a second job, so that no double is missed, and none
    is told that is none; by chance that is once in 90,000 runs of 20 million rows.

    Parameters
    ----------
    rows : DataFrame
    key : sequence of str
    where : str
        How messages name the rows.
    read : {"auto", "spark", "files"}, default "spark"
        ``"spark"``: Spark reads the columns also where tasks could read them from files.

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
    if not all(map(is_hashed, kinds)):
        return _check_values(rows, key, where)
    found = count_by_hashes(rows, key, where, read)
    if found.is_doubtful:
        # It raises, unless the hashes of two keys are equal by chance.
        return _check_values(rows, key, where)
    return found.n_rows


def _check_values(rows: "DataFrame", key: Sequence[str], where: str) -> int:
    """Compare the values themselves, and count the rows."""
    from pyspark.sql import functions as F

    columns, is_null = [F.col(quoted(name)) for name in key], is_any_null(key)
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
