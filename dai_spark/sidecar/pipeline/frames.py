"""Arrow record batches to the pandas frames that a pipeline is given, and its answers back."""

from typing import Any, Dict, List, Tuple

import pandas as pd
import pyarrow as pa

# What a pipeline answers with.  Names as pyarrow prints them; they cross in DESCRIPTION.
_ARROW_TYPES = {
    "float32": pa.float32(),
    "float64": pa.float64(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "object": pa.string(),
}


def to_frame(payload: bytearray) -> Tuple[pd.DataFrame, int]:
    """Read one Arrow IPC stream with one record batch: its rows, and the number of the first.

    Nulls become NaN in number columns and None in text columns.  A number column is a float
    whether or not this batch has nulls (the client sends it so), so types never depend on rows.
    """
    reader = pa.ipc.open_stream(pa.py_buffer(payload))
    first_row = int((reader.schema.metadata or {}).get(b"first_row", 0))
    # Arrow has one thread here, as all libraries have: handing work to it only costs.
    return reader.read_next_batch().to_pandas(use_threads=False), first_row


def output_types(answer: pd.DataFrame) -> List[List[str]]:
    """Name and Arrow type of each column of a pipeline's answer, as lists that go into JSON."""
    return [[str(name), str(_ARROW_TYPES[_kind(answer[name])])] for name in answer.columns]


def _kind(series: Any) -> str:
    kind = str(series.dtype)
    if kind not in _ARROW_TYPES:
        raise TypeError(
            "the pipeline answered column {!r} with type {}, which has no place in a table".format(
                series.name, kind
            )
        )
    return kind


def to_stream(answer: pd.DataFrame, told: Dict[str, str]) -> Any:
    """Write a pipeline's answer as one Arrow IPC stream with one record batch.

    `told` becomes the schema's metadata.

    NaN stays NaN (`from_pandas=False`): a pipeline that answers NaN did answer.
    """
    arrays = []
    for name in answer.columns:
        kind = _kind(answer[name])
        arrays.append(pa.array(answer[name].values, type=_ARROW_TYPES[kind], from_pandas=False))
    batch = pa.RecordBatch.from_arrays(arrays, [str(name) for name in answer.columns])
    batch = batch.replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    writer = pa.RecordBatchStreamWriter(sink, batch.schema)
    writer.write_batch(batch)
    writer.close()
    return sink.getvalue()
