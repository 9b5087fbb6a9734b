"""Arrow record batches to the pandas frames that a pipeline is given, and its answers back."""

from typing import Any, Dict, List, Tuple

import pandas as pd
import pyarrow as pa

from .answer_columns import arrow_array


def to_frame(payload: bytearray) -> Tuple[pd.DataFrame, int]:
    """Read one Arrow IPC stream with one record batch: its rows, and the number of the first.

    Nulls become NaN in number columns and None in text columns.  A number column is a float
    whether or not this batch has nulls (the client sends it so), so types never depend on rows.
    The index is 0..n-1: an answer is put in order by it.
    """
    reader = pa.ipc.open_stream(pa.py_buffer(payload))
    first_row = int((reader.schema.metadata or {}).get(b"first_row", 0))
    # What pandas wrote into a schema would give the frame another index.
    batch = reader.read_next_batch().replace_schema_metadata(None)
    # Arrow has one thread here, as all libraries have: handing work to it only costs.
    return batch.to_pandas(use_threads=False), first_row


def output_types(answer: pd.DataFrame) -> List[List[str]]:
    """Name and Arrow type of each column of a pipeline's answer, as lists that go into JSON."""
    return [[name, str(array.type)] for name, array in _arrays(answer)]


def to_stream(answer: pd.DataFrame, told: Dict[str, str]) -> Any:
    """Write a pipeline's answer as one Arrow IPC stream with one record batch.

    `told` becomes the schema's metadata.
    """
    columns = _arrays(answer)
    batch = pa.RecordBatch.from_arrays([a for _, a in columns], [name for name, _ in columns])
    batch = batch.replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    writer = pa.RecordBatchStreamWriter(sink, batch.schema)
    writer.write_batch(batch)
    writer.close()
    return sink.getvalue()


def _arrays(answer: pd.DataFrame) -> List[Tuple[str, Any]]:
    return [(str(name), arrow_array(str(name), series)) for name, series in answer.items()]
