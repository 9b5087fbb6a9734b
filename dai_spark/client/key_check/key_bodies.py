"""What Spark calls in tasks that look whether a key tells rows apart.

Pickled by value, as the bodies of `dai_spark.client.udf_bodies`.
"""

from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence, Tuple

from dai_spark.client.read_files.task_files import TaskFiles

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FOUND", "PIECES", "batch_of_pieces", "cut_body", "equal_body"]

# What the two bodies give, as Spark names types.
PIECES = "bucket int, hashes binary"
FOUND = "n_rows bigint, is_doubtful boolean"


def cut_body(names: Sequence[str] = (), files: Optional[TaskFiles] = None) -> Callable[..., Any]:
    """Body of mapInArrow: pieces out, and one that is null where rows have no hash.

    Hashes come in, a bigint a row that is null where the key is; or, with `files`, the numbers of
    the tasks that read these, which hold the key's columns and call them `names`.
    """

    def cut(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        from dai_spark.client.key_check.hash_pieces import HashPieces
        from dai_spark.client.key_check.key_bodies import batch_of_pieces
        from dai_spark.client.key_check.key_hash import key_hashes
        from dai_spark.client.spark_hooks.worker_task import worker_task
        from dai_spark.client.udf_bodies import rows_of

        held = HashPieces()
        with worker_task():
            for batch in rows_of(names or ["hash"], batches, files):
                pieces = list(held.add(batch.column(0) if files is None else key_hashes(batch)))
                if pieces:
                    yield batch_of_pieces(pieces)
            yield batch_of_pieces([*held.rest(), *([(0, None)] if held.n_null else [])])

    return cut


def batch_of_pieces(pieces: "Sequence[Tuple[int, Optional[bytes]]]") -> "pa.RecordBatch":
    """Rows of the two columns of `PIECES`."""
    import pyarrow

    buckets = pyarrow.array([bucket for bucket, _ in pieces], pyarrow.int32())
    hashes = pyarrow.array([found for _, found in pieces], pyarrow.binary())
    return pyarrow.RecordBatch.from_arrays([buckets, hashes], names=["bucket", "hashes"])


def equal_body() -> Callable[..., Any]:
    """Body of mapInArrow: all pieces of some buckets in; out how many rows, and whether any is odd.

    Memory holds the hashes of a task: Spark makes as many tasks of them as it likes a shuffle's
    partitions to be large.
    """

    def look(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow

        from dai_spark.client.key_check.hash_pieces import has_equal
        from dai_spark.client.spark_hooks.worker_task import worker_task

        with worker_task():
            pieces = [piece for batch in batches for piece in batch.column(1).to_pylist()]
            n_rows, is_doubtful = has_equal(pieces)
            yield pyarrow.RecordBatch.from_arrays(
                [pyarrow.array([n_rows]), pyarrow.array([is_doubtful])],
                names=["n_rows", "is_doubtful"],
            )

    return look
