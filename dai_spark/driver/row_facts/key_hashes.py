"""Rows counted by hashes of their keys, which tasks shuffle as bytes."""

from typing import TYPE_CHECKING, NamedTuple, Sequence

from dai_spark.client.key_check.key_bodies import FOUND, PIECES, cut_body, equal_body
from dai_spark.driver.file_reader.reading import choose_reading
from dai_spark.driver.schema import quoted
from dai_spark.driver.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

__all__ = ["KeysFound", "count_by_hashes", "is_any_null", "is_hashed"]

_BINARY = "UTF8_BINARY"
# Equal values have equal hashes: to these, too, NaN is one value, and zero has no sign.
_PLAIN = {
    *("byte", "short", "integer", "long", "date", "timestamp", "timestamp_ntz"),
    *("float", "double", "decimal", "boolean", "binary"),
}


class KeysFound(NamedTuple):
    """What the hashes of keys tell.

    Attributes
    ----------
    n_rows : int
        Rows whose key has no null.
    is_doubtful : bool
        A key is null, or a hash stands twice, so that the keys themselves must be looked at.
    """

    n_rows: int
    is_doubtful: bool


def is_hashed(kind: "DataType") -> bool:
    """Whether values that Spark takes for equal have equal hashes: not in all collations.

    Parameters
    ----------
    kind : DataType
    """
    if kind.typeName() == "string":
        return getattr(kind, "collation", _BINARY) == _BINARY
    return kind.typeName() in _PLAIN


def count_by_hashes(rows: "DataFrame", key: Sequence[str], where: str, read: str) -> KeysFound:
    """Count rows by the hashes of their keys, with one Spark job that reads the key alone.

    Runs on the driver.  Each key has a hash of 64 bits: Spark's, or that of the task that reads the
    files.  Tasks sort them and cut them into pieces of bytes, some thousands of hashes a row, so
    that Spark has next to nothing to shuffle, and no row of its own to compare.

    Parameters
    ----------
    rows : DataFrame
    key : sequence of str
        Columns of types for which `is_hashed` is true.
    where : str
        How messages name the rows.
    read : {"auto", "spark", "files"}
        ``"spark"``: Spark reads the columns also where tasks could read them from files.

    Raises
    ------
    SourceFileError
        As text in Spark's error: a file has changed meanwhile.
    """
    from pyspark.sql import functions as F

    names = [f"c{i}" for i in range(len(key))]
    columns = rows.select(*[F.col(quoted(name)).alias(new) for name, new in zip(key, names)])
    # Over Connect the files are looked at by a task, which takes longer than it saves here.
    way = "spark" if read == "spark" or is_connect(rows.sparkSession) else "auto"
    reading = choose_reading(columns, way, where)
    if reading.files is not None:
        pieces = reading.frame.mapInArrow(cut_body(names, reading.files), PIECES)
    else:
        hashes = rows.select(F.when(~is_any_null(key), _hash(key)).alias("hash"))
        pieces = hashes.mapInArrow(cut_body(), PIECES)
    found = pieces.repartition("bucket").mapInArrow(equal_body(), FOUND).collect()
    return KeysFound(sum(one["n_rows"] for one in found), any(one[1] for one in found))


def is_any_null(key: Sequence[str]) -> "Column":
    """Whether a part of the key is null.

    Parameters
    ----------
    key : sequence of str
    """
    from pyspark.sql import functions as F

    is_null = F.lit(False)
    for name in key:
        is_null = is_null | F.col(quoted(name)).isNull()
    return is_null


def _hash(key: Sequence[str]) -> "Column":
    from pyspark.sql import functions as F

    return F.xxhash64(*[F.col(quoted(name)) for name in key])
