"""What Spark calls in a task that looks at files which the driver does not see."""

from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

from dai_spark.client.read_files.footers import FileColumn, ReadSettings

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["look_body"]


def look_body(
    paths: Sequence[str], columns: Sequence[FileColumn], settings: ReadSettings
) -> Callable[..., Any]:
    """Body of mapInArrow: one text, what `look_at_files` says, or why it says nothing.

    Pickled by value, as the bodies of `dai_spark.client.udf_bodies`.
    """

    def look(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import json

        import pyarrow

        from dai_spark.client.read_files.footers import look_at_files
        from dai_spark.client.read_files.unproved import Unproved

        for _ in batches:
            try:
                answer: Any = {"files": look_at_files(paths, columns, settings)}
            except Unproved as error:
                answer = {"unproved": str(error)}
            yield pyarrow.RecordBatch.from_arrays(
                [pyarrow.array([json.dumps(answer)])], names=["answer"]
            )

    return look
