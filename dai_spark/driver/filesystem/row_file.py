"""RowFile: a file that a Spark Connect server reads as a row, since its client has no JVM."""

from pathlib import Path
from typing import Any, Tuple

from dai_spark.errors import ShippingError

__all__ = ["RowFile"]

# The limit of Java's arrays, hence of a row's column (spark.sql.sources.binaryFile.maxLength).
_ROW_BYTES = (1 << 31) - 1
# A message holds 128 MB at most, and a batch of rows at least one row.
_PIECE_BYTES = 4 << 20


class RowFile:
    """A file in any file system that the server reads.

    Raises whatever pyspark raises: see `dai_spark.driver.filesystem.file_errors.as_ours`.

    Parameters
    ----------
    spark : SparkSession
        Connect.
    uri : str
    """

    def __init__(self, spark: Any, uri: str) -> None:
        self._uri = uri
        self._frame = spark.read.format("binaryFile").load(uri)

    def look(self) -> Tuple[int, int]:
        """Return its length in bytes and its time of change in milliseconds since 1970."""
        from pyspark.sql import functions as F

        changed = F.unix_millis("modificationTime").alias("changed_ms")
        rows = self._frame.select("length", changed, F.col("path")).take(2)
        name = self._uri.rstrip("/").rpartition("/")[2]
        if len(rows) != 1 or rows[0]["path"].rpartition("/")[2] != name:
            raise ShippingError(f"{self._uri} is a folder, where a file is expected.")
        return int(rows[0]["length"]), int(rows[0]["changed_ms"])

    def read(self) -> bytes:
        """Return its content in one message, so for small files."""
        rows = self._frame.select("content").collect()
        return bytes(rows[0]["content"])

    def copy_to(self, path: Path) -> None:
        """Write it to a file of this host, piece by piece."""
        from pyspark.sql import functions as F

        n_bytes, _ = self.look()
        if n_bytes > _ROW_BYTES:
            raise ShippingError(
                f"{self._uri} has {n_bytes / 1e9:,.1f} GB, and Spark Connect brings files of at "
                "most 2 GB; copy it to this machine and give its path."
            )
        pieces = F.expr(
            f"transform(sequence(0L, (length - 1) div {_PIECE_BYTES}), i -> "
            f"substring(content, cast(i * {_PIECE_BYTES} + 1 as int), {_PIECE_BYTES}))"
        )
        with path.open("wb") as stream:
            for row in self._frame.select(F.explode(pieces).alias("piece")).toLocalIterator():
                stream.write(row["piece"])
