"""A file of predictions, written aside and put in its place when it is whole."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Optional

import pyarrow as pa

from dai_spark.errors import OptionError
from dai_spark.host.atomic_file import replacing
from dai_spark.row_formats.prediction_bytes import (
    csv_bytes,
    json_lines_bytes,
    json_lists,
    json_objects,
)

__all__ = ["JSON_FORMS", "OutputFile", "written_file"]

# Of a document of JSON: a list of objects, a list of lists, and these beside names of columns as
# Odahu and pandas call them.
JSON_FORMS = ("records", "lists", "odahu", "split")


class OutputFile:
    """Predictions on their way into a file, table by table.

    Parameters
    ----------
    sink : file of bytes
    format : str
        A name of `dai_spark.row_formats.row_formats.FORMATS`.
    is_stream : bool
        Whether Arrow is written as a stream, and not as a file.
    """

    def __init__(self, sink: BinaryIO, format: str, is_stream: bool) -> None:
        self._sink = sink
        self._format = format
        self._is_stream = is_stream
        self._json_form = "records"
        self._schema: Optional[pa.Schema] = None
        self._writer: Any = None
        self._n_rows = 0

    def begin(self, schema: pa.Schema, json_form: str) -> None:
        """Say what is written.

        Parameters
        ----------
        schema : pyarrow.Schema
        json_form : str
            One of `JSON_FORMS`.
        """
        self._schema = schema
        self._json_form = json_form
        if self._format == "csv":
            self._sink.write(csv_bytes(schema.empty_table()))
        elif self._format == "json":
            head = {"odahu": '{"prediction":[', "split": self._columns_head()}
            self._sink.write(head.get(json_form, "[").encode())
        elif self._format == "arrow":
            new = pa.ipc.new_stream if self._is_stream else pa.ipc.new_file
            self._writer = new(self._sink, schema)
        elif self._format == "parquet":
            import pyarrow.parquet as pq

            self._writer = pq.ParquetWriter(self._sink, schema)

    def _columns_head(self) -> str:
        assert self._schema is not None
        return f'{{"columns":{json.dumps(self._schema.names)},"data":['

    def write(self, table: pa.Table) -> None:
        """Write rows.

        Raises
        ------
        OptionError
            A kept column has another type than in the rows before.
        """
        if self._writer is not None:
            self._writer.write_table(self._alike(table))
        elif self._format == "csv":
            self._sink.write(csv_bytes(table, has_header=False))
        elif self._format == "jsonl":
            self._sink.write(json_lines_bytes(table))
        elif table.num_rows:
            rows = json_objects(table) if self._json_form == "records" else json_lists(table)
            before = ",\n" if self._n_rows else ""
            self._sink.write((before + ",\n".join(rows)).encode())
        self._n_rows += table.num_rows

    def _alike(self, table: pa.Table) -> pa.Table:
        assert self._schema is not None
        if table.schema.equals(self._schema):
            return table
        try:
            return table.cast(self._schema)
        except (pa.ArrowException, ValueError):
            told = [
                f"{field.name} {field.type}, before {before.type}"
                for field, before in zip(table.schema, self._schema)
                if field.type != before.type
            ]
            raise OptionError(
                f"Kept columns have other types than in the rows before: {'; '.join(told)}; write "
                "CSV or JSON, which have no types, or make the column one type."
            ) from None

    def close(self) -> None:
        """Write what stands at the end."""
        if self._writer is not None:
            self._writer.close()
        elif self._format == "json":
            assert self._schema is not None
            end = {
                "odahu": f'],"columns":{json.dumps(self._schema.names)}}}',
                "split": "]}",
            }
            self._sink.write((end.get(self._json_form, "]") + "\n").encode())
        self._sink.flush()


@contextlib.contextmanager
def written_file(path: Optional[Path], format: str) -> Iterator[OutputFile]:
    """Give an output that takes its place when the context ends well, and leaves nothing else.

    Parameters
    ----------
    path : Path or None
        None is standard output, which is written as it comes.
    format : str

    Raises
    ------
    OptionError
        It cannot be written.
    """
    if path is None:
        output = OutputFile(sys.stdout.buffer, format, is_stream=True)
        yield output
        output.close()
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as aside, aside.open("wb") as sink:
            is_stream = path.suffix.lower() == ".arrows"
            output = OutputFile(sink, format, is_stream)
            yield output
            output.close()
    except OSError as error:
        raise OptionError(f"{path} cannot be written ({error.strerror or error}).") from error
