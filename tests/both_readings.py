"""A frame read by Spark and by tasks themselves: what a scorer would be given, row for row."""

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F

from dai_spark.driver.file_reader.reading import choose_reading

__all__ = ["chosen", "given_rows", "read_both", "read_where_proved", "written"]


def chosen(frame, way="auto", columns=None, **words):
    """How a frame would be read, as `score_dataframe` asks for it."""
    names = list(frame.columns if columns is None else columns)
    quoted = ["`" + name.replace("`", "``") + "`" for name in names]
    selected = frame.select(*[F.col(q).alias(f"c{i}") for i, q in enumerate(quoted)])
    return choose_reading(selected, way, "The DataFrame", **words)


def given_rows(reading):
    """The rows as the worker has them, and the Arrow types that they come in.

    Floats as their bits: a NaN is no other NaN's equal.
    """
    schema = reading.frame.schema if reading.files is None else None
    names = schema.names if schema is not None else [c.name for c in reading.files.columns]
    names = [f"c{i}" for i in range(len(names))]
    files = reading.files

    def body(batches):
        import pyarrow

        from dai_spark.client.udf_bodies import rows_of

        for batch in rows_of(names, batches, files):
            # Whole, as its own bytes: nothing of Spark's touches what it holds on the way back.
            sink = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            data = pyarrow.array([sink.getvalue().to_pybytes()], pyarrow.binary())
            yield pyarrow.RecordBatch.from_arrays([data], names=["data"])

    batches = [
        batch
        for row in reading.frame.mapInArrow(body, "data binary").collect()
        for batch in pa.ipc.open_stream(bytes(row["data"]))
    ]
    kinds = {str(batch.schema) for batch in batches}
    rows = [row for batch in batches for row in zip(*[_plain(column) for column in batch.columns])]
    return sorted(rows, key=repr), kinds


def _plain(column):
    if pa.types.is_floating(column.type):
        width = pa.int32() if pa.types.is_float32(column.type) else pa.int64()
        return pa.array(column).view(width).to_pylist()
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    if pa.types.is_date(column.type):
        # Spark has years that Python has not.
        return column.cast(pa.int32()).to_pylist()
    if pa.types.is_string(column.type):
        # Spark's need not be text.
        return column.cast(pa.binary()).to_pylist()
    return column.to_pylist()


def read_both(frame, columns=None):
    """Read a frame both ways, see that they give the same, and return the rows.

    The tasks must have read it themselves.
    """
    reading = chosen(frame, "files", columns)
    assert reading.way == "files"
    by_tasks, kinds = given_rows(reading)
    by_spark, sparks_kinds = given_rows(chosen(frame, "spark", columns))
    assert by_tasks == by_spark
    if by_tasks:
        assert kinds == sparks_kinds
    return by_tasks


def read_where_proved(frame, seen):
    """Read both ways those columns of a drawn table that tasks may read, and see them alike.

    `seen` counts the columns by who reads them, and the rows.
    """
    readable = []
    for column in frame.columns:
        reading = chosen(frame, columns=[column])
        seen[reading.way] += 1
        readable += [column] if reading.way == "files" else []
    by_tasks, kinds = given_rows(chosen(frame, columns=readable))
    by_spark, sparks = given_rows(chosen(frame, "spark", readable))
    assert by_tasks == by_spark
    assert kinds <= sparks
    seen["rows"] += len(by_tasks)


def written(folder, columns, name="part-0.parquet", **words):
    """A folder with one file of these columns."""
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / name, **words)
    return str(folder)
