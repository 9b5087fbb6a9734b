"""Key: the columns that tell rows apart, held against the rows that are to be written."""

import uuid
from typing import TYPE_CHECKING, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.errors import ColumnError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType

__all__ = ["check_comparable", "check_key"]

_EXAMPLES = 5


def check_key(rows: "DataFrame", key: Sequence[str], where: str) -> int:
    """Make sure that a key is nowhere null and nowhere twice, and count the rows.

    Runs on the driver, with one Spark job that reads the key's columns alone, and a second one for
    examples where something is wrong.

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
    """
    from pyspark.sql import functions as F

    missing = [name for name in key if name not in rows.columns]
    if missing:
        raise ColumnError(f"{where} lacks {', '.join(missing)} of --key.")
    check_comparable(rows, key, where)
    columns = [F.col(quoted(name)) for name in key]
    is_null = columns[0].isNull()
    for column in columns[1:]:
        is_null = is_null | column.isNull()
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


def check_comparable(rows: "DataFrame", key: Sequence[str], where: str) -> None:
    """Refuse a key of a type that Spark does not compare.

    Runs on the driver; reads no row.

    Parameters
    ----------
    rows : DataFrame
    key : sequence of str
    where : str
        How messages name the rows.

    Raises
    ------
    ColumnError
    """
    wrong = [name for name in key if not _is_comparable(rows.schema[name].dataType)]
    if wrong:
        shown = ", ".join(f"{name} ({rows.schema[name].dataType.simpleString()})" for name in wrong)
        raise ColumnError(
            f"{where}: {shown} of --key holds maps or variants, which Spark does not compare; give "
            "another key, or a text of it (--column)."
        )


def _is_comparable(kind: "DataType") -> bool:
    from pyspark.sql.types import ArrayType, StructType

    if isinstance(kind, ArrayType):
        return _is_comparable(kind.elementType)
    if isinstance(kind, StructType):
        return all(_is_comparable(field.dataType) for field in kind.fields)
    return kind.typeName() not in ("map", "variant")
